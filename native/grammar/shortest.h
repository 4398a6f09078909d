// How few tokens end a grammar from each of its states.
#pragma once
#include <cstdint>
#include <vector>

namespace afterimage {

class Grammar;
class TokenTrie;

// By state, Grammar::kNever where no end can be reached. A token counts where it is one byte, or lies within a run of
// states that each read one certain byte, such as the name of a property: what is found is no less than the least, and
// the first token of what is found leaves one token less.
// Knuth 1977, "A generalization of Dijkstra's algorithm".
std::vector<int32_t> shortest(const Grammar& grammar, const TokenTrie& tokens);

}  // namespace afterimage
