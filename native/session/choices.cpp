#include "session/choices.h"

#include <algorithm>
#include <utility>

#include "session/admission.h"
#include "session/sampler.h"

namespace afterimage {

Choices::Choices(KvCache& kv, std::vector<std::vector<int32_t>> tokens)
    : kv_(kv), tokens_(std::move(tokens)), results_(tokens_.size()) {}

Choices::~Choices() { keep(0); }

void Choices::keep(size_t bytes) noexcept {
  kv_.unreserve(kept_);
  kept_ = bytes;
  kv_.reserve(kept_);
}

int32_t Choices::longest() const noexcept {
  size_t longest = 0;
  for (const auto& tokens : tokens_) longest = std::max(longest, tokens.size());
  return static_cast<int32_t>(longest);
}

size_t Choices::group_end(size_t from) const noexcept {
  return std::min(tokens_.size(), from + static_cast<size_t>(kMostAnswers));
}

size_t Choices::group_bytes(size_t from, int32_t prompt) const {
  size_t bytes = 0;
  for (size_t i = from; i < group_end(from); ++i)
    bytes += Timeline::branch_bytes(kv_, prompt, static_cast<int32_t>(tokens_[i].size()));
  return bytes;
}

size_t Choices::bytes(int32_t prompt) const {
  size_t most = 0;
  for (size_t from = 0; from < tokens_.size(); from = group_end(from)) most = std::max(most, group_bytes(from, prompt));
  return most;
}

void Choices::reserve(int32_t prompt) {
  promised_ = bytes(prompt);
  keep(promised_);
}

void Choices::begin(std::span<const float> logits, std::span<const int32_t> ends) {
  ends_.assign(ends.begin(), ends.end());
  const LogSoftmax row(logits);
  for (size_t i = 0; i < tokens_.size(); ++i) results_[i].push_back(row.at(tokens_[i].front()));
}

void Choices::open_group(const Timeline& prompt) {
  const size_t from = next_;
  next_ = group_end(from);
  // What the group does not take stays promised to the next one. Its timelines promise themselves what they need.
  keep(promised_ - group_bytes(from, prompt.computed()));
  for (size_t i = from; i < next_; ++i) group_.push_back({i, Timeline::branch(prompt, tokens_[i])});
}

std::vector<Choices::Rows> Choices::next(const Timeline& prompt, int32_t most) {
  if (group_.empty()) open_group(prompt);
  std::vector<Rows> rows;
  for (size_t i = 0; i < group_.size() && most > 0; ++i) {
    Timeline& timeline = *group_[i].timeline;
    const int32_t left = timeline.sequence().size() - timeline.computed();
    const int32_t count = std::min(left, most);
    if (count == 0) continue;
    rows.push_back({i, &timeline, timeline.computed() + count});
    most -= count;
  }
  return rows;
}

void Choices::take(const Rows& rows, std::span<const float> logits, int64_t width) {
  const Branch& branch = group_[rows.branch];
  const auto& tokens = tokens_[branch.choice];
  std::vector<double>& result = results_[branch.choice];
  for (int32_t item = branch.timeline->computed(); item < rows.end; ++item) {
    const LogSoftmax row(logits.first(static_cast<size_t>(width)));
    logits = logits.subspan(static_cast<size_t>(width));
    result.push_back(result.size() < tokens.size() ? row.at(tokens[result.size()]) : row.any_of(ends_));
  }
  branch.timeline->commit(rows.end);
  close_group_if_whole();
}

void Choices::close_group_if_whole() noexcept {
  const auto whole = [](const Branch& branch) {
    return branch.timeline->computed() == branch.timeline->sequence().size();
  };
  if (!std::all_of(group_.begin(), group_.end(), whole)) return;
  group_.clear();
  keep(promised_);
}

}  // namespace afterimage
