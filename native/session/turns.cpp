#include "session/turns.h"

#include <algorithm>

#include "session/admission.h"

namespace afterimage {

namespace {

auto in_state(Request::State state) {
  return [state](const RequestPtr& request) { return request->state == state; };
}

bool computes_rows(const RequestPtr& request) {
  return request->state == Request::State::prefilling || request->state == Request::State::weighing;
}

auto answering_at(bool low) {
  return [low](const RequestPtr& request) {
    return request->state == Request::State::decoding && request->options.low_priority == low;
  };
}

}  // namespace

void Turns::leave(const RequestPtr& request) {
  for (Lane& lane : lanes_) std::erase(lane, request);
}

RequestPtr Turns::take(bool low) {
  Lane& lane = lanes_[low ? 1 : 0];
  if (lane.empty()) return nullptr;
  RequestPtr next = std::move(lane.front());
  lane.pop_front();
  return next;
}

RequestPtr Turns::take_rows(bool low) {
  Lane& lane = lanes_[low ? 1 : 0];
  const auto found = std::find_if(lane.begin(), lane.end(), computes_rows);
  if (found == lane.end()) return nullptr;
  RequestPtr next = *found;
  lane.erase(found);
  return next;
}

bool Turns::image_waits(bool low) const {
  const Lane& lane = lanes_[low ? 1 : 0];
  return std::any_of(lane.begin(), lane.end(), in_state(Request::State::encoding));
}

bool Turns::anyone_answers(bool low) const {
  return std::any_of(requests_.all().begin(), requests_.all().end(), answering_at(low));
}

std::vector<RequestPtr> Turns::answering(bool low) {
  std::vector<RequestPtr> answering;
  std::copy_if(requests_.all().begin(), requests_.all().end(), std::back_inserter(answering), answering_at(low));
  // Memory was predicted for so many rows; more answers take turns.
  if (answering.size() > kMostAnswers) {
    first_answer_ = (first_answer_ + kMostAnswers) % answering.size();
    std::rotate(answering.begin(), answering.begin() + static_cast<std::ptrdiff_t>(first_answer_), answering.end());
    answering.resize(kMostAnswers);
  }
  return answering;
}

}  // namespace afterimage
