// The disk tier: what is accepted, what is a miss, and what the limits remove.
#include <fstream>

#include "cache/tree_listing.h"
#include "cache_disk_fixture.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

#ifdef _WIN32
constexpr const char* kNullDevice = "NUL";
constexpr size_t kRemovableWhileOneIsMapped = 1;  // of two: it may keep what is mapped
// Who may do what is not written in a mode here.
bool private_mode(const std::string& path, unsigned) { return platform::exists(path); }
#else
constexpr const char* kNullDevice = "/dev/null";
constexpr size_t kRemovableWhileOneIsMapped = 2;
bool private_mode(const std::string& path, unsigned mode) {
  return static_cast<unsigned>(std::filesystem::status(path).permissions()) == mode;
}
#endif

void age(const std::string& path, int seconds) {
  std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now() - std::chrono::seconds(seconds));
}

std::vector<char> read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_all(const std::string& path, const std::vector<char>& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void every_damage_is_noticed() {
  TempFolder folder;
  const StagedPrefix prefix = staged(1);
  const std::string path = write(folder.path(), prefix);
  CHECK(verdict(path, prefix).empty());
  CHECK(private_mode(path, 0600));
  const std::vector<char> sound = read_all(path);
  // Every byte of header, identity, items, label's beginning and checksum; every 61st of padding, blocks and state.
  for (size_t at = 0; at < sound.size(); at += at < 720 || at + 40 > sound.size() ? 1 : 61) {
    std::vector<char> damaged = sound;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    write_all(path, damaged);
    CHECK(!verdict(path, prefix).empty());
  }
  for (size_t length :
       {size_t{0}, size_t{1}, size_t{63}, size_t{64}, size_t{4096}, sound.size() - 32, sound.size() - 1}) {
    write_all(path, {sound.begin(), sound.begin() + static_cast<ptrdiff_t>(length)});
    CHECK(verdict(path, prefix).find("truncated") != std::string::npos);
  }
  std::vector<char> longer = sound;
  longer.push_back(0);
  write_all(path, longer);
  CHECK(!verdict(path, prefix).empty());
  write_all(path, sound);
  CHECK(verdict(path, prefix).empty());
}

void foreign_files_are_refused() {
  TempFolder folder;
  const StagedPrefix prefix = staged(1);
  const std::string path = write(folder.path(), prefix);
  PrefixFormat other = kFormat;
  other.identity = "weights 1235\nbackend test\n";
  CHECK(verdict(path, prefix, other).find("other weights") != std::string::npos);
  CHECK(prefix_file_name(other, prefix.prefix) != prefix_file_name(kFormat, prefix.prefix));
  other = kFormat;
  other.block_bytes = 4096;
  CHECK(verdict(path, prefix, other).find("layout") != std::string::npos);
  StagedPrefix another = staged(1);
  another.prefix.items[599] ^= std::byte{1};
  CHECK(verdict(path, another).find("another prompt") != std::string::npos);
  CHECK(verdict(kNullDevice, prefix) != "" && verdict(folder.path(), prefix) != "");
}

// What a picture is called is for whoever lists files: another name finds the same file, one that is too long is left
// out.
void labels_are_no_part_of_what_must_be_equal() {
  TempFolder folder;
  const StagedPrefix prefix = staged(1);
  const std::string path = write(folder.path(), prefix);
  StagedPrefix renamed = prefix;
  renamed.prefix.label = "another";
  CHECK(path_of(folder.path(), renamed) == path && verdict(path, renamed).empty());
  CHECK(summarise_prefix_file(path).label == "picture 1");
  for (const size_t length : {size_t{0}, kLabelLimit, kLabelLimit + 1}) {
    renamed.prefix.label.assign(length, 'x');
    write(folder.path(), renamed);
    CHECK(verdict(path, prefix).empty());
    CHECK(summarise_prefix_file(path).label.size() == (length > kLabelLimit ? 0 : length));
  }
  // The format before had none: listed as it was.
  std::vector<char> old = read_all(path);
  old[8] = 1;
  write_all(path, old);
  CHECK(summarise_prefix_file(path).tokens == 150 && summarise_prefix_file(path).label.empty());
  CHECK(verdict(path, prefix).find("version 1") != std::string::npos);
}

void tier_writes_behind_and_finds_paths() {
  TempFolder folder;
  const std::string inside = folder.path() + "/cache";
  const StagedPrefix first = staged(1), second = staged(2), third = staged(3);
  {
    DiskTier tier(options(inside), kFormat);
    CHECK(tier.enabled() && private_mode(inside, 0700));
    for (const StagedPrefix* prefix : {&first, &second}) {
      CHECK(tier.accepts(prefix->bytes()));
      tier.stage(*prefix);
    }
    tier.flush();
    CHECK(tier.counters().writes == 2 && tier.counters().bytes > 2 * 16384);
    CHECK(find(tier, {first.prefix, second.prefix, third.prefix}).size() == 2);
    CHECK(tier.counters().hits == 2 && tier.counters().misses == 1);
    tier.stage(first);  // there already: immutable, so not written again
    tier.flush();
    CHECK(tier.counters().writes == 2);
  }
  // A damaged file is a miss with a reason, makes way, and can be written again.
  std::vector<char> damaged = read_all(path_of(inside, first));
  damaged[9000] ^= 1;
  write_all(path_of(inside, first), damaged);
  DiskTier tier(options(inside), kFormat);
  CHECK(find(tier, {first.prefix, second.prefix}).empty());
  CHECK(tier.counters().rejected == 1 && tier.counters().problem.find("checksum") != std::string::npos);
  CHECK(!platform::exists(path_of(inside, first)));
  tier.stage(first);
  tier.flush();
  CHECK(find(tier, {first.prefix, second.prefix}).size() == 2);
  const auto entries = list_disk_cache(inside);
  CHECK(entries.size() == 2 && entries[0].tokens == 150 && entries[0].identity == kFormat.identity);
  CHECK(entries[0].label.starts_with("picture ") && entries[1].label.starts_with("picture "));
  // A file that vanishes while it is mapped is still readable.
  DiskTier::Found held = find(tier, {first.prefix});
  CHECK(clear_disk_cache(inside) >= kRemovableWhileOneIsMapped);
  CHECK(std::memcmp(held[0]->block(1), first.blocks.data() + 8192, 8192) == 0);
  held.clear();
  clear_disk_cache(inside);
  CHECK(list_disk_cache(inside).empty());
  CHECK(find(tier, {first.prefix}).empty());
}

void limits_hold() {
  TempFolder folder;
  const uint64_t size = read_all(write(folder.path(), staged(0))).size();
  for (int i = 0; i < 6; ++i) {
    age(write(folder.path(), staged(i)), 100 * (6 - i));
  }
  std::ofstream(folder.path() + "/mine.txt") << "kept";
  std::ofstream(folder.path() + "/" + kTemporaryPrefix + "7-0") << "left by a killed writer";
  age(folder.path() + "/" + kTemporaryPrefix + "7-0", 7200);
  TrimResult kept = trim_disk_cache(folder.path(), 4 * size, 100000);
  CHECK(kept.removed == 3 && kept.bytes == 4 * size);
  for (int i = 0; i < 6; ++i) CHECK(platform::exists(path_of(folder.path(), staged(i))) == (i >= 2));
  kept = trim_disk_cache(folder.path(), 4 * size, 250);
  CHECK(kept.removed == 2 && list_disk_cache(folder.path()).size() == 2);
  CHECK(std::filesystem::exists(folder.path() + "/mine.txt"));
  DiskOptions small = options(folder.path());
  small.staging_bytes = 1000;
  DiskTier tier(small, kFormat);
  CHECK(!tier.accepts(1001) && tier.counters().skipped == 1 && !tier.counters().problem.empty());
}

void folders_that_cannot_be_used_turn_the_tier_off() {
  TempFolder folder;
  std::ofstream(folder.path() + "/file") << "x";
  DiskTier file(options(folder.path() + "/file"), kFormat);
  DiskTier orphan(options(folder.path() + "/no/such"), kFormat);
  CHECK(!file.enabled() && !file.counters().problem.empty() && !orphan.enabled() && !orphan.counters().problem.empty());
  CHECK(std::filesystem::create_directory(folder.path() + "/lax"));
  std::filesystem::permissions(folder.path() + "/lax", std::filesystem::perms{0755});
  DiskTier lax(options(folder.path() + "/lax"), kFormat);
  CHECK(lax.enabled() && private_mode(folder.path() + "/lax", 0700));
}

// What the tree holds, by its branches; a file that belongs to one of them marks it, another stands alone.
void what_is_held_is_listed() {
  TempFolder folder;
  DiskTier disk(options(folder.path()), kFormat);
  HostBackend backend;
  BlockPool pool(backend, 100, 100000);
  PrefixTree tree(pool);
  const auto insert = [&](const Sequence& sequence) {
    Node* node = nullptr;
    for (int32_t block = 0; block * 64 < sequence.size(); ++block)
      node =
          tree.insert(node, sequence.block_items(block, std::min(sequence.size(), 64 * (block + 1))), pool.allocate());
    return node;
  };
  const auto labelled = [](const std::vector<Stretch>& stretches, Visibility visibility) {
    Prompt p = prompt(stretches);
    for (ImageSpan& span : p.spans) span.label = "picture " + std::to_string(span.key[0]);
    if (visibility == Visibility::prefix) p.prefix_length = p.spans.back().end;
    return Sequence(std::move(p), 1, visibility);
  };
  const auto stage = [&](const Sequence& sequence) {
    StagedPrefix whole = staged(7);
    whole.prefix.end = sequence.image_ends().back();
    whole.prefix.items = sequence.identity(whole.prefix.end);
    whole.blocks.resize(static_cast<size_t>(whole.prefix.block_count()) * kFormat.block_bytes);
    disk.stage(whole);
  };
  for (const Visibility visibility : {Visibility::causal, Visibility::block, Visibility::prefix}) {
    tree.clear();
    clear_disk_cache(folder.path());
    // The text of 70 tokens is one block and a part of the next, where two pictures part; one has two questions.
    const Sequence first = labelled({{70, 9, 0}, {150, 3, 1}, {40, 5, 0}}, visibility);
    const Sequence second = labelled({{70, 9, 0}, {150, 3, 1}, {60, 6, 0}}, visibility);
    const Sequence other = labelled({{70, 9, 0}, {40, 3, 2}}, visibility);
    for (const Sequence* sequence : {&first, &second, &other}) insert(*sequence);
    stage(first);
    stage(labelled({{70, 9, 0}, {40, 3, 3}}, visibility));
    disk.flush();
    HeldTree held = list_tree(tree, disk, 100, 0);
    CHECK(held.files.size() == 2);
    const TreeListing all = largest(held, disk.list(), 100);
    // Items that see each other have nothing in common with those before another picture.
    const bool parts = visibility == Visibility::prefix;
    CHECK(all.branches.size() == (parts ? 5 : 6) && all.more == 0);
    size_t alone = 0, marked = 0;
    for (const Branch& branch : all.branches) {
      CHECK(branch.memory || branch.disk);
      if (!branch.memory) {
        ++alone;
        CHECK(branch.parent == -1 && branch.tokens == 110);
      } else if (branch.images == std::vector<std::string>{"picture 1"}) {
        CHECK(parts ? branch.tokens == 192 && branch.bytes == 300 && branch.parent == -1
                    : branch.tokens == 128 && branch.bytes == 200 && all.branches[branch.parent].tokens == 64);
      } else if (branch.disk) {
        ++marked;  // where the picture ends, beside the first question or the second
      } else if (branch.images == std::vector<std::string>{"picture 2"}) {
        CHECK(branch.tokens == (parts ? 110 : 46) && (branch.parent >= 0) == !parts);
      }
    }
    CHECK(alone == 1 && marked == 1);
    const TreeListing few = largest(held, {}, 2);
    CHECK(few.branches.size() == 2 && few.more == (parts ? 2 : 3) && few.branches[0].tokens == (parts ? 192 : 64));
    CHECK(few.branches[1].parent == 0 && few.branches[parts ? 0 : 1].images.front() == "picture 1");
    while (tree.evict_one()) {
    }
    // Nothing is left but the two files.
    const TreeListing gone = largest(list_tree(tree, disk, 100, 0), disk.list(), 100);
    CHECK(gone.branches.size() == 2 && !gone.branches[0].memory && !gone.branches[1].memory);
  }
}

}  // namespace

int main() {
  every_damage_is_noticed();
  foreign_files_are_refused();
  labels_are_no_part_of_what_must_be_equal();
  tier_writes_behind_and_finds_paths();
  limits_hold();
  folders_that_cannot_be_used_turn_the_tier_off();
  what_is_held_is_listed();
  std::puts("ok");
}
