#include "grammar/token_trie.h"

#include <algorithm>

#include "graph/error.h"

namespace afterimage {

namespace {

void check(const std::vector<uint8_t>& bytes, const std::vector<int32_t>& ends) {
  int64_t from = 0;
  for (int32_t end : ends) {
    if (end < from || end - from > UINT16_MAX)
      throw Error("INVALID_ARGUMENT", "Expected the bytes of a vocabulary one token after another.");
    from = end;
  }
  if (from != static_cast<int64_t>(bytes.size()))
    throw Error("INVALID_ARGUMENT", "Expected a vocabulary whose last token ends with its bytes.");
}

}  // namespace

TokenTrie::TokenTrie(std::vector<uint8_t> bytes, std::vector<int32_t> ends)
    : bytes_(std::move(bytes)), ends_(std::move(ends)) {
  check(bytes_, ends_);
  for (int32_t token = 0; token < size(); ++token)
    if (!bytes_of(token).empty()) tokens_.push_back(token);
  std::sort(tokens_.begin(), tokens_.end(), [&](int32_t a, int32_t b) {
    const auto left = bytes_of(a), right = bytes_of(b);
    return std::lexicographical_compare(left.begin(), left.end(), right.begin(), right.end()) ||
           (a < b && std::equal(left.begin(), left.end(), right.begin(), right.end()));
  });
  build();
}

void TokenTrie::build() {
  std::vector<int32_t> path;  // nodes of the token before
  std::span<const uint8_t> before;
  const auto leave = [&](size_t depth) {
    for (; path.size() > depth; path.pop_back()) nodes_[path.back()].next = static_cast<int32_t>(nodes_.size());
  };
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const auto own = bytes_of(tokens_[i]);
    const size_t shared =
        static_cast<size_t>(std::mismatch(own.begin(), own.end(), before.begin(), before.end()).first - own.begin());
    leave(shared);
    for (size_t depth = shared; depth < own.size(); ++depth) {
      path.push_back(static_cast<int32_t>(nodes_.size()));
      nodes_.push_back({0, static_cast<int32_t>(i), static_cast<uint16_t>(depth + 1), own[depth]});
      longest_.push_back(0);
    }
    for (int32_t node : path) longest_[node] = std::max(longest_[node], static_cast<uint16_t>(own.size()));
    if (own.size() == 1) single_[own[0]] = true;
    depth_ = std::max(depth_, static_cast<int32_t>(own.size()));
    before = own;
  }
  leave(0);
  nodes_.push_back({0, static_cast<int32_t>(tokens_.size()), 0, 0});
}

std::span<const int32_t> TokenTrie::tokens_at(int32_t node) const noexcept {
  const int32_t from = nodes_[node].first_token, to = nodes_[node + 1].first_token;
  return {tokens_.data() + from, static_cast<size_t>(to - from)};
}

std::span<const uint8_t> TokenTrie::bytes_of(int32_t token) const noexcept {
  if (token < 0 || token >= size()) return {};
  const int32_t from = token == 0 ? 0 : ends_[token - 1];
  return {bytes_.data() + from, static_cast<size_t>(ends_[token] - from)};
}

int32_t TokenTrie::child(int32_t node, uint8_t byte) const noexcept {
  const int32_t end = node == kRoot ? static_cast<int32_t>(nodes_.size()) - 1 : nodes_[node].next;
  for (int32_t at = node + 1; at < end; at = nodes_[at].next)
    if (nodes_[at].byte == byte) return at;
  return kRoot;
}

}  // namespace afterimage
