// Whose turn it is. Requests with an image to encode, a chunk to prefill or choices to weigh take turns, low-priority
// ones only while no other has work; those that answer go on together.
#pragma once
#include <deque>
#include <vector>

#include "session/requests.h"

namespace afterimage {

class Turns {
 public:
  explicit Turns(const Requests& requests) : requests_(requests) {}

  // Behind its equals; or before them, where its turn was not used up.
  void join(const RequestPtr& request) { lane(*request).push_back(request); }
  void go_first(const RequestPtr& request) { lane(*request).push_front(request); }
  void leave(const RequestPtr& request);

  // The priority that may run now.
  bool low_priority() const { return lanes_[0].empty() && !anyone_answers(false); }
  // Taken out of its lane; null where none waits.
  RequestPtr take(bool low);
  // The first of those that compute rows: a chunk of a prompt or choices.
  RequestPtr take_rows(bool low);
  bool image_waits(bool low) const;
  // The answers that go on in the next run: at most kMostAnswers of them, by turns.
  std::vector<RequestPtr> answering(bool low);

 private:
  using Lane = std::deque<RequestPtr>;
  Lane& lane(const Request& request) noexcept { return lanes_[request.options.low_priority ? 1 : 0]; }
  bool anyone_answers(bool low) const;

  const Requests& requests_;
  Lane lanes_[2];            // normal, low
  size_t first_answer_ = 0;  // where more than kMostAnswers are answered: whose turn it was
};

}  // namespace afterimage
