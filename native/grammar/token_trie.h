// A vocabulary by its bytes: the tokens that are text, as a tree whose edges are bytes.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace afterimage {

class TokenTrie {
 public:
  // In preorder: the children of a node follow it, each behind the subtree of the one before.
  struct Node {
    int32_t next;         // node behind the subtree
    int32_t first_token;  // in tokens(); those of a node end where those of the node after it begin
    uint16_t depth;       // bytes from the root, at least 1
    uint8_t byte;
  };
  static constexpr int32_t kRoot = -1;

  // `ends[i]`: where the bytes of token i end in `bytes`. A token without bytes is no text and never part of one.
  // Throws INVALID_ARGUMENT where they do not fit, or a token is longer than 65535 bytes.
  TokenTrie(std::vector<uint8_t> bytes, std::vector<int32_t> ends);

  std::span<const Node> nodes() const noexcept { return {nodes_.data(), nodes_.size() - 1}; }
  // By node: bytes of the longest token in its subtree, the node's own included.
  std::span<const uint16_t> longest() const noexcept { return longest_; }
  // By their bytes; `nodes()` has where those of a node begin.
  std::span<const int32_t> tokens() const noexcept { return tokens_; }
  // Bytes of the longest token.
  int32_t depth() const noexcept { return depth_; }
  // Exactly those that end at the node.
  std::span<const int32_t> tokens_at(int32_t node) const noexcept;
  // Of the token's text; empty for what is no token of this vocabulary.
  std::span<const uint8_t> bytes_of(int32_t token) const noexcept;
  // The node one byte further, or kRoot where no token goes on so.
  int32_t child(int32_t node, uint8_t byte) const noexcept;
  bool has_byte(uint8_t byte) const noexcept { return single_[byte]; }
  int32_t size() const noexcept { return static_cast<int32_t>(ends_.size()); }

 private:
  void build();

  std::vector<uint8_t> bytes_;
  std::vector<int32_t> ends_;
  std::vector<int32_t> tokens_;  // by their bytes
  std::vector<Node> nodes_;      // and one behind the last
  std::vector<uint16_t> longest_;
  int32_t depth_ = 0;
  bool single_[256] = {};  // whether a token is this byte alone
};

}  // namespace afterimage
