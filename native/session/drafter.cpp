#include "session/drafter.h"

#include <algorithm>

#include "graph/error.h"

namespace afterimage {

namespace {

// Items behind the last one that was followed, among which the answer is expected to go on after what differs.
constexpr int32_t kNear = 64;
// A gain that is less than this part of a row's price is not worth the risk.
constexpr double kRisk = 0.1;
// A record forgets: it is that of about the last 1 / (1 − kMemory) guesses.
constexpr double kMemory = 0.95;
constexpr double kBelieved = 3;  // guesses that what is expected beforehand stands for

// Items that are repeated to the letter before what stood in front of them is learned.
constexpr int32_t kTrusted = 3;

// How often guesses are right, expected beforehand: by the length of the match, 1 to 8, where nothing speaks against
// it and where the text has it with something else behind it too; and what a grammar makes certain, where the text
// disagrees and where it agrees (another token may begin alike), and where no other token may come; and what the
// model's own head guesses, the first one, the second if that was right, and so on.
constexpr double kExpected[] = {0.15, 0.3,  0.45, 0.6, 0.65, 0.7, 0.75, 0.8,   // anywhere
                                0.05, 0.1,  0.2,  0.3, 0.4,  0.5, 0.6,  0.7,   //   with others
                                0.3,  0.5,  0.65, 0.8, 0.85, 0.9, 0.9,  0.9,   // near
                                0.2,  0.3,  0.45, 0.6, 0.7,  0.8, 0.85, 0.85,  //   with others
                                0.75, 0.95, 1,                                 //
                                0.7,  0.65, 0.6,  0.55};

}  // namespace

Drafter::Drafter(const Prompt& prompt, std::vector<int32_t> ends, std::vector<int32_t> expected)
    : text_(std::move(expected)), ends_(std::move(ends)) {
  const bool begins = !text_.empty();
  if (begins) text_.push_back(-1);
  const auto begin = static_cast<int32_t>(text_.size());
  text_.insert(text_.end(), prompt.ids.begin(), prompt.ids.end());
  for (const ImageSpan& span : prompt.spans)
    std::fill(text_.begin() + begin + span.start, text_.begin() + begin + span.end, -1);
  for (size_t kind = 0; kind < kKinds; ++kind) records_[kind] = {kExpected[kind] * kBelieved, kBelieved};
  source_ = found();
  // Nothing is learned from how an answer begins otherwise: nothing was repeated yet.
  if (begins && source_.match < kTrusted) source_ = {0, kTrusted - 1, true, false};
}

void Drafter::took(int32_t token) {
  learn(guesses_, token);
  learn(of_head_, token);
  const bool expected = source_.at >= 0 && text_[source_.at] == token;
  if (!expected && source_.match >= kTrusted) instead_[text_[source_.at]] = token;
  text_.push_back(token);
  if (expected) {
    followed_ = source_.at + 1;
    follow(source_, token);
    learn_beginning();
  } else {
    source_ = found();
  }
}

void Drafter::learn(std::vector<Guess>& guesses, int32_t token) noexcept {
  if (guesses.empty()) return;
  const Guess guess = guesses.front();
  Record& record = records_[guess.kind];
  record.right = record.right * kMemory + (guess.token == token ? 1 : 0);
  record.tries = record.tries * kMemory + 1;
  if (guess.token == token) {
    guesses.erase(guesses.begin());
  } else {
    guesses.clear();
  }
}

bool Drafter::is_end(int32_t token) const noexcept {
  return std::find(ends_.begin(), ends_.end(), token) != ends_.end();
}

void Drafter::learn_beginning() noexcept {
  const auto last = static_cast<int32_t>(text_.size()) - 1, item = source_.at - 1;
  if (item < kTrusted) return;
  for (int32_t back = 0; back < kTrusted; ++back)
    if (text_[item - back] != text_[last - back]) return;
  const int32_t theirs = text_[item - kTrusted], mine = text_[last - kTrusted];
  if (theirs >= 0 && mine >= 0 && theirs != mine) alike_[mine] = theirs;
}

// Behind the longest match; of equals the first one behind what was followed, then the last one.
Drafter::Source Drafter::found() const noexcept {
  const auto size = static_cast<int32_t>(text_.size());
  const auto is_near = [&](int32_t at) { return followed_ >= 0 && at >= followed_ && at < followed_ + kNear; };
  // What the text ends with, the last one first, and what counts as the same before it.
  std::array<int32_t, kLongest> mine, theirs;
  for (int32_t back = 0; back < kLongest; ++back) {
    mine[back] = back < size ? text_[size - 1 - back] : -1;
    const auto other = alike_.find(mine[back]);
    theirs[back] = other == alike_.end() ? mine[back] : other->second;
  }
  const auto match_before = [&](int32_t item) {
    int32_t match = 0;
    for (; match < kLongest && match <= item; ++match) {
      const int32_t token = text_[item - match];
      if (token < 0 || (token != mine[match] && token != theirs[match])) break;
    }
    return match;
  };
  Source best;
  for (int32_t item = size - 2; item >= 0; --item) {
    const int32_t match = match_before(item);
    if (match == 0 || match < best.match) continue;
    const bool other = match == best.match && text_[item + 1] != text_[best.at];
    if (match > best.match || is_near(item + 1)) {
      best = {item + 1, match, is_near(item + 1), other || (match == best.match && best.split)};
    } else {
      best.split = best.split || other;
    }
  }
  return best;
}

// `token` has come, or is taken for granted: text_ ends with it.
void Drafter::follow(Source& source, int32_t token) const noexcept {
  if (source.at >= 0 && text_[source.at] == token) {
    ++source.at;
    source.match = std::min(source.match + 1, kLongest);
    if (source.split) source = found();
  } else {
    source = found();
  }
}

Drafter::Guess Drafter::next_guess(const Source& source, const Constraint::Certain& certain) const noexcept {
  const int32_t repeated = source.at >= 0 ? text_[source.at] : -1;
  if (certain.settled) return {certain.token, kCertain + 2};
  if (certain.token >= 0) return {certain.token, kCertain + (certain.token == repeated ? 1 : 0)};
  const int32_t length = std::max(0, source.match - 1) + (source.split ? kLongest : 0);
  return {repeated, static_cast<size_t>(length + (source.near ? 2 * kLongest : 0))};
}

int32_t Drafter::allowed(int32_t token, Constraint& constraint, Automaton::Place& place) const {
  Automaton::Place next = constraint.beyond(place, token);
  if (next == Automaton::kNowhere) {
    const auto other = instead_.find(token);
    if (other == instead_.end() || (next = constraint.beyond(place, other->second)) == Automaton::kNowhere) return -1;
    token = other->second;
  }
  place = next;
  return token;
}

// As far as a guess may come to be worth its row.
void Drafter::guess_ahead(int32_t most, const Price& price, Constraint* constraint) {
  const double hopeless = kRisk * price.rows.back() / static_cast<double>(price.rows.size());
  const size_t size = text_.size();
  Source source = source_;
  Automaton::Place place = constraint ? constraint->place() : Automaton::kNowhere;
  double chance = 1;
  for (int32_t i = 0; i < most && chance > hopeless; ++i) {
    Guess guess = next_guess(source, constraint ? constraint->certain(place) : Constraint::Certain{-1, false});
    if (guess.token >= 0 && constraint) guess.token = allowed(guess.token, *constraint, place);
    if (guess.token < 0 || is_end(guess.token)) break;
    chance *= records_[guess.kind].rate();
    guesses_.push_back(guess);
    text_.push_back(guess.token);
    follow(source, guess.token);
  }
  text_.resize(size);
}

std::vector<int32_t> Drafter::guess(int32_t most, const Price& price, Constraint* constraint) {
  guesses_.clear();
  const size_t size = text_.size();
  try {
    guess_ahead(most, price, constraint);
  } catch (const Error&) {
    // The grammar is too large where nobody may ever go: that far nothing is guessed.
    text_.resize(size);
  }
  std::vector<size_t> kinds;
  for (const Guess& guess : guesses_) kinds.push_back(guess.kind);
  std::vector<int32_t> tokens;
  for (size_t i = 0, count = worth(kinds, price, false); i < count; ++i) tokens.push_back(guesses_[i].token);
  return tokens;
}

int32_t Drafter::worth_of_head(int32_t most, const Price& price) {
  of_head_.clear();
  head_place_ = Automaton::kNowhere;
  static constexpr size_t kKindsOfHead[kDeepest] = {kHead, kHead + 1, kHead + 2, kHead + 3};
  const auto count = std::min(static_cast<size_t>(most), kDeepest);
  return static_cast<int32_t>(worth(std::span(kKindsOfHead).first(count), price, true));
}

bool Drafter::head_guesses(int32_t token, Constraint* constraint) {
  if (is_end(token)) return false;
  if (constraint) {
    try {
      head_place_ = constraint->beyond(of_head_.empty() ? constraint->place() : head_place_, token);
    } catch (const Error&) {
      return false;  // as in guess()
    }
    if (head_place_ == Automaton::kNowhere) return false;
  }
  of_head_.push_back({token, kHead + of_head_.size()});
  return true;
}

Drafter::Price Drafter::Price::of(double row, double answers, double head) noexcept {
  Price price{{}, answers, head};
  for (size_t i = 0; i < price.rows.size(); ++i) price.rows[i] = row * static_cast<double>(i + 1);
  return price;
}

// Each counts as far as it and all before it are right.
size_t Drafter::worth(std::span<const size_t> kinds, const Price& price, bool by_head) const noexcept {
  size_t best = 0;
  double best_gain = 1 + kRisk * price.of_guesses(1, by_head), chance = 1, tokens = 0;
  for (size_t count = 1; count <= std::min(kinds.size(), price.rows.size()); ++count) {
    chance *= records_[kinds[count - 1]].rate();
    tokens += chance;
    const double gain = (1 + tokens / price.answers) / (1 + price.of_guesses(count, by_head));
    if (gain <= best_gain) continue;
    best_gain = gain;
    best = count;
  }
  return best;
}

}  // namespace afterimage
