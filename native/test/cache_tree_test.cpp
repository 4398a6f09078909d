// Block pool, sequences and the prefix tree, without a model.
#include <cstdio>
#include <cstring>
#include <random>

#include "cache_fixture.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

void pool_counts_references_and_keeps_its_budget() {
  HostBackend backend;
  BlockPool pool(backend, 100, 350);
  BlockRef a = pool.allocate(), b = pool.allocate(), c = pool.allocate();
  CHECK(a && b && c && !pool.allocate() && pool.blocks_in_use() == 3);
  std::memset(a.memory().host(), 7, 100);
  BlockRef shared = a;
  a = {};
  CHECK(pool.blocks_in_use() == 3);
  shared = {};
  CHECK(pool.blocks_in_use() == 2 && backend.live == 3);
  BlockRef again = pool.allocate();
  CHECK(again && static_cast<char*>(again.memory().host())[99] == 0);
  CHECK(pool.allocate_state(51) == nullptr);
  again = {};
  auto state = pool.allocate_state(51);
  CHECK(state && backend.live == 3 && pool.bytes_in_use() == 251);
  pool.forget_state(*state);
  state.reset();
  b = c = {};
  pool.release_free();
  CHECK(backend.live == 0 && pool.bytes_held() == 0);
}

void items_differ_in_anything_that_matters() {
  const Prompt base = prompt({{64, 9, 0}, {30, 3, 1}, {10, 8, 0}});
  const BlockItems whole = Sequence(base, 1, Visibility::causal).block_items(1, 104);
  const auto same = [&](Prompt changed) {
    return common_prefix(whole, Sequence(std::move(changed), 1, Visibility::causal).block_items(1, 104));
  };
  CHECK(same(base) == 40);
  Prompt other = base;
  other.ids[64 + 35] = 1;
  CHECK(same(other) == 35);
  other = base;
  other.spans[0].key[31] ^= 1;  // the last byte of the key counts like the first
  CHECK(same(other) == 0);
  other = base;
  other.position_ids[64 + 12] += 1;
  CHECK(same(other) == 12);
  other = base;
  other.feature_index[64 + 20] = 25;
  CHECK(same(other) == 20);
  other = base;
  other.spans.clear();
  std::fill(other.feature_index.begin(), other.feature_index.end(), -1);
  CHECK(same(other) == 0);
}

void mutual_sight_is_matched_as_a_whole() {
  // An image of 30 tokens of which 28 see each other; one token differs after it.
  const Prompt base = prompt({{10, 9, 0}, {30, 3, 1}, {10, 8, 0}});
  const Sequence block(base, 1, Visibility::block);
  CHECK(block.visible_end(10) == 11 && block.visible_end(11) == 39 && block.visible_end(38) == 39 &&
        block.visible_end(39) == 40);
  CHECK(block.reusable(45, 1) == 45 && block.reusable(39, 1) == 39 && block.reusable(38, 1) == 11 &&
        block.reusable(11, 1) == 11);
  CHECK(block.reusable(50, 1) == 49 && block.reusable(50, 0) == 50);
  CHECK(block.chunk_end(0, 16) == 11 && block.chunk_end(11, 16) == 39 && block.chunk_end(39, 16) == 50);
  Prompt with_prefix = base;
  with_prefix.prefix_length = 45;
  const Sequence prefix(with_prefix, 1, Visibility::prefix);
  CHECK(prefix.reusable(44, 1) == 0 && prefix.reusable(45, 1) == 45 && prefix.reusable(50, 1) == 49);
  CHECK(prefix.chunk_end(0, 16) == 45 && prefix.chunk_end(45, 16) == 50 &&
        prefix.image_ends() == std::vector<int32_t>{45});
  // The same first tokens before another prefix are other items: what they hold depends on all of it.
  Prompt other = with_prefix;
  other.ids[44] = 1;
  CHECK(common_prefix(prefix.block_items(0, 50), Sequence(other, 1, Visibility::prefix).block_items(0, 50)) == 0);
}

void malformed_prompts_are_refused() {
  const auto refused = [](auto change) {
    Prompt p = prompt({{5, 9, 0}, {6, 3, 1}});
    change(p);
    try {
      Sequence(std::move(p), 1, Visibility::causal);
    } catch (const Error& error) {
      return error.code() == "INVALID_ARGUMENT";
    }
    return false;
  };
  CHECK(!refused([](Prompt&) {}));
  CHECK(refused([](Prompt& p) { p.ids.clear(); }));
  CHECK(refused([](Prompt& p) { p.position_ids.pop_back(); }));
  CHECK(refused([](Prompt& p) { p.feature_index.pop_back(); }));
  CHECK(refused([](Prompt& p) { p.feature_index[0] = 0; }));
  CHECK(refused([](Prompt& p) { p.spans[0].end = 12; }));
  CHECK(refused([](Prompt& p) { p.spans[0].end = p.spans[0].start; }));
  CHECK(refused([](Prompt& p) { p.spans.push_back(p.spans[0]); }));
  CHECK(refused([](Prompt& p) { p.marks.push_back(0); }));
  CHECK(refused([](Prompt& p) { p.prefix_length = 3; }));
}

void tree_shares_splits_and_evicts() {
  HostBackend backend;
  BlockPool pool(backend, 64, 64 * 8);
  {
    PrefixTree tree(pool);
    const Sequence a(prompt({{130, 9, 0}}), 1, Visibility::causal);
    Node* node = nullptr;
    for (int block = 0; block < 2; ++block)
      node = tree.insert(node, a.block_items(block, block * 64 + 64), pool.allocate());
    node = tree.insert(node, a.block_items(2, 130), pool.allocate());
    CHECK(tree.nodes() == 3 && tree.match(a, false).length == 130);

    // Parts in the middle of the second block: shares the first and finds where it parts.
    Prompt parted = prompt({{130, 9, 0}});
    parted.ids[100] = 1;
    const Sequence b(parted, 1, Visibility::causal);
    const Match match = tree.match(b, false);
    CHECK(match.length == 100 && match.path.size() == 2 && match.path[1] == node->parent);
    Node* beside = tree.insert(match.path[0], b.block_items(1, 128), pool.allocate());
    CHECK(beside != node->parent && tree.match(b, false).length == 128 && tree.match(a, false).length == 130);

    // The same items are held once; a longer tail takes the place of a shorter one, its snapshots included.
    CHECK(tree.insert(match.path[0], b.block_items(1, 128), pool.allocate()) == beside);
    CHECK(pool.blocks_in_use() == 4);
    CHECK(tree.insert(node->parent, a.block_items(2, 129), pool.allocate()) == node);
    tree.add_snapshot(node, 130, pool.allocate_state(8));
    tree.add_snapshot(node, 130, pool.allocate_state(8));
    CHECK(tree.snapshots() == 1 && pool.state_bytes() == 8);
    const Sequence longer(prompt({{140, 9, 0}}), 1, Visibility::causal);
    Node* tail = tree.insert(node->parent, longer.block_items(2, 140), pool.allocate());
    CHECK(tree.nodes() == 4 && tail->snapshots.size() == 1 && tree.snapshots() == 1);
    CHECK(tree.snapshot(tree.match(longer, true), 139)->position == 130);
    CHECK(tree.snapshot(tree.match(longer, true), 129) == nullptr);

    // The least recently used goes first, leaves before what they hang on, and nothing that is pinned.
    {
      const Pin pin(tail);
      CHECK(tree.evictable().nodes == 1);
      CHECK(tree.evict_one() && tree.match(b, false).length == 100);
      CHECK(tree.evict_one() && tree.snapshots() == 0 && !tree.evict_one() && tree.nodes() == 3);
      tree.clear();
      CHECK(tree.nodes() == 3);
    }
    CHECK(tree.evictable().nodes == 3);
    CHECK(tree.evict_one() && tree.match(longer, false).length == 128);
    tree.clear();
    CHECK(tree.nodes() == 0 && pool.blocks_in_use() == 0);
  }
  pool.release_free();
  CHECK(backend.live == 0);
}

// Random paths against a plain list of what was inserted.
void tree_finds_the_longest_common_path() {
  HostBackend backend;
  BlockPool pool(backend, 16, 16 * 4000);
  PrefixTree tree(pool);
  std::mt19937 random(3);
  std::vector<std::vector<int32_t>> known;
  for (int round = 0; round < 400; ++round) {
    std::vector<int32_t> ids;
    if (!known.empty() && random() % 3 > 0) {
      ids = known[random() % known.size()];
      ids.resize(1 + random() % ids.size());
    }
    for (uint32_t i = 0, more = random() % 150; i < more || ids.empty(); ++i)
      ids.push_back(static_cast<int32_t>(random() % 3));
    Prompt p;
    for (size_t i = 0; i < ids.size(); ++i) p.position_ids.push_back(static_cast<int32_t>(i));
    p.ids = ids;
    p.feature_index.assign(ids.size(), -1);
    const Sequence sequence(p, 1, Visibility::causal);
    size_t longest = 0;
    for (const auto& other : known) {
      const size_t limit = std::min(other.size(), ids.size());
      longest = std::max(
          longest, static_cast<size_t>(
                       std::mismatch(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(limit), other.begin()).first -
                       ids.begin()));
    }
    CHECK(tree.match(sequence, false).length == static_cast<int32_t>(longest));
    Node* node = nullptr;
    for (int32_t block = 0; block * 64 < sequence.size(); ++block)
      node =
          tree.insert(node, sequence.block_items(block, std::min(sequence.size(), block * 64 + 64)), pool.allocate());
    CHECK(tree.match(sequence, false).length == sequence.size());
    known.push_back(ids);
  }
  CHECK(pool.blocks_in_use() == tree.nodes());
}

}  // namespace

int main() {
  pool_counts_references_and_keeps_its_budget();
  items_differ_in_anything_that_matters();
  mutual_sight_is_matched_as_a_whole();
  malformed_prompts_are_refused();
  tree_shares_splits_and_evicts();
  tree_finds_the_longest_common_path();
  std::puts("ok");
}
