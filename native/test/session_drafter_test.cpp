// What is guessed of an answer, and when a guess is worth a row.
#include <cmath>

#include "cache_fixture.h"
#include "grammar_fixture.h"
#include "session/drafter.h"
#include "session/row_price.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

using Tokens = std::vector<int32_t>;

const Drafter::Price kFree = Drafter::Price::of(1e-6);

Prompt prompt_of(const Tokens& ids) {
  Prompt prompt;
  prompt.ids = ids;
  return prompt;
}

Tokens after(Drafter& drafter, const Tokens& tokens, int32_t most = 4, const Drafter::Price& price = kFree) {
  for (int32_t token : tokens) drafter.took(token);
  return drafter.guess(most, price, nullptr);
}

void what_followed_follows_again() {
  Drafter drafter(prompt_of({5, 6, 7, 8, 9, 1, 2, 6, 7, 3}), {});
  CHECK(drafter.guess(4, kFree, nullptr).empty());        // 3 is new
  CHECK((after(drafter, {6, 7}) == Tokens{3, 6, 7, 3}));  // the last of two; then the guess itself repeats
  CHECK((after(drafter, {8}) == Tokens{9, 1, 2, 6}));     // 7 8: the other
  CHECK((after(drafter, {9}, 2) == Tokens{1, 2}));
  CHECK(drafter.guess(0, kFree, nullptr).empty());
}

// The longest match counts; of equals the one behind what was followed last.
void long_matches_and_near_ones_come_first() {
  Drafter longest(prompt_of({1, 2, 3, 40, 9, 2, 3, 50}), {});
  CHECK((after(longest, {1, 2, 3}, 1) == Tokens{40}));
  Drafter near(prompt_of({7, 11, 12, 30, 7, 13, 14, 30, 7, 15, 16, 30}), {});
  CHECK((after(near, {11, 12, 30}, 2) == Tokens{7, 13}));
  // 30 8 differs from the text; behind it the next line goes on, not the last one.
  CHECK((after(near, {8, 7}, 2) == Tokens{13, 14}));
}

void an_answer_repeats_itself() {
  Drafter drafter(prompt_of({1}), {});
  CHECK(after(drafter, {2, 3, 4}).empty());
  CHECK((after(drafter, {2}, 6) == Tokens{3, 4, 2, 3, 4, 2}));
  Drafter one(prompt_of({1}), {});
  CHECK((after(one, {5, 5}, 3) == Tokens{5, 5, 5}));
}

void images_and_ends_are_not_guessed() {
  Prompt prompt = prompt_of({1, 3, 3, 3, 2, 8, 9, 10});
  prompt.spans.push_back({1, 5, {}, {}});
  Drafter drafter(prompt, {9});
  CHECK(after(drafter, {3}).empty());
  CHECK(after(drafter, {1}).empty());
  CHECK(after(drafter, {8}).empty());
  Drafter without(prompt, {});
  CHECK((after(without, {8}, 2) == Tokens{9, 10}));
}

// A text that the answer is expected to repeat begins with the answer, whatever single token the prompt ends with.
void an_expected_text() {
  Prompt prompt = prompt_of({1, 3, 3, 2, 8, 21});
  prompt.spans.push_back({1, 3, {}, {}});
  Drafter drafter(prompt, {39}, {20, 21, 22, 23, 24});
  CHECK((drafter.guess(3, kFree, nullptr) == Tokens{20, 21, 22}));
  CHECK((after(drafter, {20, 21, 22}) == Tokens{23, 24}));  // it ends there
  CHECK((after(drafter, {30, 23}) == Tokens{24}));
  CHECK(after(drafter, {1}).empty());  // before the image
  CHECK((after(drafter, {8}, 1) == Tokens{21}));
  Drafter long_match(prompt_of({9, 5, 6, 7, 8, 9, 5, 6, 7}), {39}, {20, 21});
  CHECK((long_match.guess(1, kFree, nullptr) == Tokens{8}));
}

// Lines of a prompt become strings of a list: what stands before them and behind them there is learned from the first.
void other_beginnings_and_ends_are_learned() {
  std::vector<std::string> words(40);
  for (int32_t i = 0; i < 26; ++i) words[static_cast<size_t>(i)] = static_cast<char>('a' + i);
  words[30] = "\n", words[31] = "\"", words[32] = ",";
  const auto trie = trie_of(words);
  GrammarTables tables;  // ("\"" [a-z]* "\"" ",")*
  tables.states = 3;
  tables.ranges = {0, '"', '"', 1, 1, 'a', 'z', 1, 1, '"', '"', 2, 2, ',', ',', 0};
  tables.finals = {0};
  Constraint constraint(trie, std::make_shared<Grammar>(tables, *trie), {39});
  Drafter drafter(prompt_of({30, 1, 2, 3, 4, 30, 5, 6, 7, 8, 30, 9, 10, 11, 12, 30}), {39});
  const auto take = [&](const Tokens& tokens) {
    for (int32_t token : tokens) constraint.take(token), drafter.took(token);
  };
  take({31});
  CHECK(drafter.guess(8, kFree, &constraint).empty());  // a beginning like no other
  take({1, 2, 3});
  CHECK((drafter.guess(8, kFree, &constraint) == Tokens{4}));  // a line break may not follow
  take({4, 31, 32, 31});
  CHECK((drafter.guess(7, kFree, &constraint) == Tokens{5, 6, 7, 8, 31, 32, 31}));
}

// Right guesses make more of them worth a row, wrong ones none, whether they were run or not.
void records_decide() {
  Tokens text;
  for (int32_t i = 0; i < 400; ++i) text.push_back(i);
  const auto dear = Drafter::Price::of(0.4), shared = Drafter::Price::of(0.4, 8);
  Drafter right(prompt_of(text), {});
  CHECK(after(right, {20}, 8, dear).empty());
  for (int32_t token = 21; token < 60; ++token) after(right, {token}, 8, dear);
  CHECK(right.guess(8, dear, nullptr).size() == 8);
  CHECK(right.guess(8, shared, nullptr).empty());  // seven others would wait for it
  CHECK(right.guess(8, Drafter::Price::of(2), nullptr).empty());

  // Two tokens as in the text, then another.
  const auto cheap = Drafter::Price::of(0.05);
  Drafter wrong(prompt_of(text), {});
  size_t guessed = 0;
  for (int32_t i = 0; i < 100; ++i) {
    const int32_t at = (i * 37) % 390;
    after(wrong, {500 + i, at}, 8, cheap);
    guessed = after(wrong, {at + 1}, 8, cheap).size();
  }
  CHECK(guessed == 0);
}

// "<ab:" LETTER ">" any number of times.
GrammarTables records() {
  GrammarTables tables;
  const std::string text = "<ab:";
  int32_t state = 0;
  const auto range = [&](char low, char high, int32_t target) {
    for (int32_t value : {state, int32_t{low}, int32_t{high}, target}) tables.ranges.push_back(value);
  };
  for (char byte : text) range(byte, byte, state + 1), ++state;
  range('a', 'z', state + 1), ++state;
  range('>', '>', 0);
  tables.states = state + 1;
  tables.finals = {0};
  return tables;
}

void what_a_grammar_makes_certain() {
  const std::vector<std::string> words{"<", "a", "b", ":", ">", "<a", "<ab", "b:", "c", ":c", ">", ""};
  const auto trie = trie_of(words);
  const auto grammar = std::make_shared<Grammar>(records(), *trie);
  Constraint constraint(trie, grammar, {11});
  Drafter drafter(prompt_of({0, 3}), {11});
  // The answer may be over at first, so nothing is certain; the text has ':' behind '<', which may not come.
  CHECK(drafter.guess(8, kFree, &constraint).empty());
  const auto take = [&](int32_t token) {
    constraint.take(token);
    drafter.took(token);
  };
  take(0);
  CHECK(constraint.certain(constraint.place()).token == 1 && constraint.certain(constraint.place()).settled);
  CHECK((drafter.guess(8, kFree, &constraint) == Tokens{1, 7}));  // "a" is certain, then "b:", then nothing
  // Nobody may choose otherwise there, so they are worth their rows at any price that saves a run.
  CHECK((drafter.guess(8, Drafter::Price::of(0.8), &constraint) == Tokens{1, 7}));
  CHECK(constraint.needed() > 0 && !constraint.whole());  // it stays where it is
  for (int32_t token : {1, 7, 8}) take(token);
  CHECK((drafter.guess(1, kFree, &constraint) == Tokens{4}));
  take(4);
  take(6);
  CHECK((drafter.guess(3, kFree, &constraint) == Tokens{3}));  // behind it the text has '<', which may not come
}

void a_head_is_asked_as_far_as_it_was_right() {
  Drafter drafter(prompt_of({1, 2, 3}), {9});
  const auto cheap = Drafter::Price::of(0.05, 1, 0.05), dear = Drafter::Price::of(0.5, 1, 0.6);
  CHECK(drafter.worth_of_head(16, cheap) == 3 && drafter.worth_of_head(2, cheap) == 2);
  CHECK(drafter.worth_of_head(16, dear) == 0);
  for (int32_t token = 10; token < 30; token += 2) {
    CHECK(drafter.worth_of_head(1, cheap) == 1);
    CHECK(drafter.head_guesses(token, nullptr) && !drafter.head_guesses(9, nullptr));  // behind an end nothing comes
    drafter.took(token);
  }
  CHECK(drafter.worth_of_head(1, Drafter::Price::of(0.3, 1, 0.5)) == 1);
  for (int32_t token = 30; token < 50 && drafter.worth_of_head(1, cheap) == 1; ++token) {
    drafter.head_guesses(token, nullptr);
    drafter.took(token + 20);
  }
  CHECK(drafter.worth_of_head(1, Drafter::Price::of(0.3, 1, 0.5)) == 0);
  RowPrice price;
  CHECK(price.guess_in_runs_of(1) > 0.1 && price.guess_in_runs_of(1) < 0.5);
  for (int i = 0; i < 20; ++i) price.saw(1, 10), price.saw_guess(3);
  CHECK(std::abs(price.guess_in_runs_of(1) - 0.3) < 1e-9);
}

void a_row_costs_what_was_seen() {
  RowPrice price;
  const double before = price.in_runs_of(1);
  CHECK(before > 0.1 && before < 0.5);
  for (int i = 0; i < 20; ++i) price.saw(1, 10);
  CHECK(std::abs(price.in_runs_of(1) - before) < 1e-9);  // runs of one row say nothing of others
  Random random(1);
  const auto busy = [&] { return below(random, 4) == 0 ? 1 + 0.1 * below(random, 90) : 1; };
  for (int i = 0; i < 300; ++i) price.saw(1 + i % 8, (10 + 1.0 * (i % 8)) * busy());
  CHECK(price.in_runs_of(1) > 0.07 && price.in_runs_of(1) < 0.15);
  CHECK(price.in_runs_of(300) < 0.005);
  price.saw(8, 100000);  // the machine slept
  CHECK(price.in_runs_of(1) < 0.2);
  for (int i = 0; i < 600; ++i) price.saw(1 + i % 8, 10 * (1 + i % 8));
  CHECK(price.in_runs_of(1) > 0.3);
  for (int i = 0; i < 600; ++i) price.saw(1 + i % 8, 10);
  CHECK(price.in_runs_of(1) < 0.1);
}

// Six rows at a time: the seventh costs what the others do together. Numbers of rows that were not seen are as the line
// has it, and none is for nothing.
void rows_that_are_taken_together_cost_what_they_took() {
  RowPrice price;
  const auto line = price.more_in_runs_of(1);
  for (size_t n = 0; n < line.size(); ++n)
    CHECK(std::abs(line[n] - price.in_runs_of(1) * static_cast<double>(n + 1)) < 1e-9);
  for (int i = 0; i < 400; ++i) price.saw(1 + i % 9, i % 9 < 6 ? 10 : 20);
  const auto more = price.more_in_runs_of(1);
  CHECK(more[4] < 0.35 && more[5] > 0.75 && more[6] < 1.2);
  for (size_t n = 1; n < more.size(); ++n) CHECK(more[n] > more[n - 1]);
  const auto of_six = price.more_in_runs_of(6);
  CHECK(of_six[0] > 0.4 && of_six[2] < 1.2);
  CHECK(price.more_in_runs_of(300)[15] < 0.2);

  // Guesses go as far as they are cheap, and no further.
  Tokens text;
  for (int32_t i = 0; i < 400; ++i) text.push_back(i);
  Drafter drafter(prompt_of(text), {});
  for (int32_t token = 20; token < 30; ++token) after(drafter, {token}, 15);
  const size_t together = drafter.guess(8, {more, 1}, nullptr).size();
  CHECK(together == 4 || together == 5);
  CHECK(drafter.guess(8, Drafter::Price::of(0.2), nullptr).size() > 5);
}

}  // namespace

int main() {
  what_followed_follows_again();
  long_matches_and_near_ones_come_first();
  an_answer_repeats_itself();
  images_and_ends_are_not_guessed();
  an_expected_text();
  other_beginnings_and_ends_are_learned();
  records_decide();
  what_a_grammar_makes_certain();
  a_head_is_asked_as_far_as_it_was_right();
  a_row_costs_what_was_seen();
  rows_that_are_taken_together_cost_what_they_took();
}
