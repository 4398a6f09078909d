#include "cache/sequence.h"

#include <algorithm>
#include <cstring>

#include "graph/error.h"
#include "graph/kv_layout.h"
#include "weights/sha256.h"

namespace afterimage {

namespace {

[[noreturn]] void refuse_prompt(const std::string& what) { throw Error("INVALID_ARGUMENT", what); }

template <class T>
void append_bytes(const T* values, size_t count, std::vector<std::byte>& out) {
  const auto* bytes = reinterpret_cast<const std::byte*>(values);
  out.insert(out.end(), bytes, bytes + count * sizeof(T));
}

// First item below `limit` that lies in different images, or at different places of one, in a and b.
int32_t first_other_image(const std::vector<BlockItems::Piece>& a, const std::vector<BlockItems::Piece>& b,
                          int32_t limit) noexcept {
  for (size_t i = 0; i < a.size() || i < b.size(); ++i) {
    const int32_t begin_a = i < a.size() ? a[i].begin : limit;
    const int32_t begin_b = i < b.size() ? b[i].begin : limit;
    if (std::min(begin_a, begin_b) >= limit) return limit;
    if (begin_a != begin_b) return std::min(begin_a, begin_b);
    if (a[i].offset != b[i].offset || a[i].key != b[i].key) return begin_a;
    if (a[i].end != b[i].end) return std::min({a[i].end, b[i].end, limit});
  }
  return limit;
}

}  // namespace

int32_t common_prefix(const BlockItems& a, const BlockItems& b) noexcept {
  int32_t same = std::min(a.count, b.count);
  const auto end = a.rows.begin() + static_cast<ptrdiff_t>(same) * a.stride;
  const auto differs = std::mismatch(a.rows.begin(), end, b.rows.begin()).first;
  if (differs != end) same = static_cast<int32_t>(differs - a.rows.begin()) / a.stride;
  return first_other_image(a.pieces, b.pieces, same);
}

Sequence::Sequence(Prompt prompt, int32_t axes, Visibility visibility)
    : prompt_(std::move(prompt)), axes_(axes), visibility_(visibility), prompt_size_(size()) {
  check();
  find_visible_ends();
  name_ranges();
  for (const ImageSpan& span : prompt_.spans) {
    const int32_t end = visibility_ == Visibility::prefix ? prompt_.prefix_length : span.end;
    if (image_ends_.empty() || image_ends_.back() != end) image_ends_.push_back(end);
  }
  marks_ = image_ends_;
  marks_.insert(marks_.end(), prompt_.marks.begin(), prompt_.marks.end());
  std::sort(marks_.begin(), marks_.end());
  marks_.erase(std::unique(marks_.begin(), marks_.end()), marks_.end());
}

void Sequence::check() const {
  const size_t n = prompt_.ids.size();
  if (n == 0) refuse_prompt("Expected a prompt of at least one token but received none.");
  if (prompt_.position_ids.size() != n * static_cast<size_t>(axes_))
    refuse_prompt("Expected " + std::to_string(n) + " × " + std::to_string(axes_) + " position ids but received " +
                  std::to_string(prompt_.position_ids.size()) + ".");
  if (prompt_.feature_index.size() != n)
    refuse_prompt("Expected " + std::to_string(n) + " feature rows but received " +
                  std::to_string(prompt_.feature_index.size()) + ".");
  int32_t covered = 0;
  for (const ImageSpan& span : prompt_.spans) {
    if (span.start < covered || span.end <= span.start || static_cast<size_t>(span.end) > n)
      refuse_prompt("Expected image spans that ascend inside the prompt but received [" + std::to_string(span.start) +
                    ", " + std::to_string(span.end) + ").");
    covered = span.end;
  }
  for (size_t i = 0; i < n; ++i)
    if (prompt_.feature_index[i] >= 0 && !span_at(static_cast<int32_t>(i)))
      refuse_prompt("Expected feature rows only inside image spans but token " + std::to_string(i) + " has one.");
  for (int32_t mark : prompt_.marks)
    if (mark < 1 || static_cast<size_t>(mark) > n)
      refuse_prompt("Expected marks inside the prompt but received " + std::to_string(mark) + ".");
  const bool fits = prompt_.prefix_length >= 0 && static_cast<size_t>(prompt_.prefix_length) <= n;
  if (!fits || (prompt_.prefix_length > 0 && visibility_ != Visibility::prefix))
    refuse_prompt("Expected a prefix length that the prompt and the model allow but received " +
                  std::to_string(prompt_.prefix_length) + ".");
  if (visibility_ == Visibility::prefix && !prompt_.spans.empty() && prompt_.prefix_length < prompt_.spans.back().end)
    refuse_prompt("Expected a prefix that holds every image but received a prefix length of " +
                  std::to_string(prompt_.prefix_length) + ".");
}

void Sequence::find_visible_ends() {
  if (visibility_ == Visibility::causal) return;
  visible_end_.resize(prompt_.ids.size());
  for (int32_t i = prompt_size_ - 1; i >= 0; --i) {
    visible_end_[i] = i < prompt_.prefix_length ? prompt_.prefix_length : i + 1;
    if (visibility_ != Visibility::block || prompt_.feature_index[i] < 0 || i + 1 == prompt_size_) continue;
    // Neighbouring feature rows of one image are one block of mutual sight.
    if (prompt_.feature_index[i + 1] >= 0 && span_at(i) == span_at(i + 1)) visible_end_[i] = visible_end_[i + 1];
  }
}

void Sequence::name_ranges() {
  std::vector<Range> images;
  for (const ImageSpan& span : prompt_.spans) images.push_back({span.start, span.end, span.key});
  if (visibility_ == Visibility::causal) {
    ranges_ = std::move(images);
    return;
  }
  size_t image = 0;
  for (int32_t i = 0; i < prompt_size_;) {
    while (image < images.size() && images[image].end <= i) ++image;
    const bool inside = image < images.size() && images[image].begin <= i;
    if (visible_end(i) > i + 1) {
      std::vector<std::byte> bytes;
      append_identity(i, visible_end(i), images, bytes);
      ranges_.push_back({i, visible_end(i), Sha256().update(bytes.data(), bytes.size()).digest()});
      i = visible_end(i);
    } else {
      if (inside) ranges_.push_back({i, i + 1, images[image].key});
      ++i;
    }
  }
}

void Sequence::append(int32_t token) {
  const int32_t position = size() + prompt_.rope_delta;
  prompt_.ids.push_back(token);
  prompt_.feature_index.push_back(-1);
  prompt_.position_ids.insert(prompt_.position_ids.end(), static_cast<size_t>(axes_), position);
}

void Sequence::cut(size_t tokens) {
  prompt_.ids.resize(prompt_.ids.size() - tokens);
  prompt_.feature_index.resize(prompt_.ids.size());
  prompt_.position_ids.resize(prompt_.ids.size() * static_cast<size_t>(axes_));
}

std::span<const int32_t> Sequence::positions(int32_t item) const noexcept {
  return {prompt_.position_ids.data() + static_cast<size_t>(item) * axes_, static_cast<size_t>(axes_)};
}

const ImageSpan* Sequence::span_at(int32_t item) const noexcept {
  const auto after = std::upper_bound(prompt_.spans.begin(), prompt_.spans.end(), item,
                                      [](int32_t at, const ImageSpan& span) { return at < span.start; });
  if (after == prompt_.spans.begin()) return nullptr;
  const ImageSpan& span = *std::prev(after);
  return item < span.end ? &span : nullptr;
}

Sequence Sequence::with_image(const ImageKey& image, const ImageKey& other) const {
  Prompt prompt = prompt_;
  for (ImageSpan& span : prompt.spans)
    if (span.key == image) span.key = other;
  return {std::move(prompt), axes_, visibility_};
}

int32_t Sequence::shared_end(const ImageKey& image, int32_t rows) const noexcept {
  for (const ImageSpan& span : prompt_.spans)
    for (int32_t item = span.start; span.key == image && item < span.end; ++item)
      if (feature_row(item) >= rows) return item;
  return size();
}

BlockItems Sequence::block_items(int32_t block, int32_t end) const {
  const int32_t begin = block * kBlockPositions;
  BlockItems items;
  items.count = end - begin;
  items.stride = 2 + axes_;
  items.rows.reserve(static_cast<size_t>(items.count) * items.stride);
  for (int32_t i = begin; i < end; ++i) {
    items.rows.push_back(id(i));
    items.rows.push_back(feature_row(i));
    items.rows.insert(items.rows.end(), positions(i).begin(), positions(i).end());
  }
  auto range =
      std::upper_bound(ranges_.begin(), ranges_.end(), begin, [](int32_t at, const Range& r) { return at < r.end; });
  for (; range != ranges_.end() && range->begin < end; ++range) {
    const int32_t from = std::max(range->begin, begin);
    items.pieces.push_back({from - begin, std::min(range->end, end) - begin, from - range->begin, range->key});
  }
  for (const ImageSpan& span : prompt_.spans)
    if (span.start >= begin && span.start < end) items.images.push_back(span.label);
  for (int32_t at : image_ends_)
    if (at > begin && at <= end) items.image_ends.push_back(at);
  return items;
}

int32_t Sequence::reusable(int32_t matched, int32_t evaluated_at_least) const noexcept {
  int32_t end = matched;
  while (end > 0 && visible_end(end - 1) > matched) --end;
  return std::max(0, std::min(end, size() - evaluated_at_least));
}

int32_t Sequence::chunk_end(int32_t from, int32_t rows) const noexcept {
  const int32_t wanted = std::min(from + rows, size());
  int32_t end = wanted;
  while (end > from && visible_end(end - 1) > wanted) --end;
  return end > from ? end : visible_end(from);
}

std::vector<std::byte> Sequence::identity(int32_t end) const {
  std::vector<std::byte> out;
  append_identity(0, end, ranges_, out);
  return out;
}

void Sequence::append_identity(int32_t begin, int32_t end, const std::vector<Range>& ranges,
                               std::vector<std::byte>& out) const {
  const int32_t count = end - begin;
  append_bytes(&count, 1, out);
  append_bytes(&axes_, 1, out);
  append_bytes(prompt_.ids.data() + begin, count, out);
  append_bytes(prompt_.feature_index.data() + begin, count, out);
  append_bytes(prompt_.position_ids.data() + static_cast<size_t>(begin) * axes_, static_cast<size_t>(count) * axes_,
               out);
  for (const Range& range : ranges) {
    if (range.end <= begin || range.begin >= end) continue;
    const int32_t place[3] = {range.begin - begin, std::min(range.end, end) - begin, std::max(0, begin - range.begin)};
    append_bytes(place, 3, out);
    append_bytes(range.key.data(), range.key.size(), out);
  }
}

}  // namespace afterimage
