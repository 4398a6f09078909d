// The safetensors container: 8-byte little-endian header length, JSON header, tensor bytes.
// https://github.com/huggingface/safetensors (format description)
#include <algorithm>
#include <cstring>

#include "graph/error.h"
#include "graph/json.h"
#include "graph/shape_text.h"
#include "weights/stored_type.h"

namespace afterimage {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the reference reader

class Image {
 public:
  Image(const std::byte* bytes, size_t size, std::string_view file) : bytes_(bytes), size_(size), file_(file) {}

  std::vector<StoredTensor> tensors() { return tensors(header_text()); }

  std::vector<StoredTensor> described(const FileHeader& header) {
    if (header.data_start > size_) fail("its data would begin behind its " + std::to_string(size_) + " bytes");
    data_ = bytes_ + header.data_start;
    data_bytes_ = size_ - header.data_start;
    return tensors(header.json);
  }

 private:
  std::vector<StoredTensor> tensors(std::string_view text) {
    const Json header = parse(text);
    if (!header.object()) fail("its header is not a JSON object");
    for (const auto& [name, entry] : *header.object()) {
      if (name != "__metadata__") add(name, entry);
    }
    refuse_overlaps();
    return std::move(tensors_);
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error("INVALID_CHECKPOINT",
                "\"" + std::string(file_) + "\" is not a valid safetensors file: " + what + "; download it again.");
  }

  std::string_view header_text() {
    if (size_ < 8) fail("it has " + std::to_string(size_) + " bytes, too few for a header");
    uint64_t length = 0;
    for (int i = 7; i >= 0; --i) length = length << 8 | std::to_integer<uint64_t>(bytes_[i]);
    if (length > size_ - 8 || length > kMaxHeaderBytes) {
      fail("it states a header of " + std::to_string(length) + " bytes, but the file has " + std::to_string(size_));
    }
    data_ = bytes_ + 8 + length;
    data_bytes_ = size_ - 8 - length;
    return {reinterpret_cast<const char*>(bytes_ + 8), length};
  }

  Json parse(std::string_view text) const {
    try {
      return parse_json(text);
    } catch (const JsonError& error) {
      fail(std::string("its header is not valid JSON (") + error.what() + ")");
    }
  }

  void add(const std::string& name, const Json& entry) {
    const auto fail_tensor = [&](const std::string& what) { fail("tensor \"" + name + "\" " + what); };
    StoredTensor tensor;
    tensor.name = name;
    const Json* dtype = entry.find("dtype");
    if (!dtype || !dtype->string()) fail_tensor("has no dtype");
    const std::optional<StoredType> type = stored_type(*dtype->string());
    if (!type) fail_tensor("has the unknown dtype \"" + *dtype->string() + "\"");
    tensor.dtype = *type;
    const Json* shape = entry.find("shape");
    const std::optional<std::vector<int64_t>> axes = shape ? counts(*shape) : std::nullopt;
    if (!axes) fail_tensor("has no shape of whole numbers");
    tensor.shape = *axes;
    const Json* offsets = entry.find("data_offsets");
    const std::optional<std::vector<int64_t>> range = offsets ? counts(*offsets) : std::nullopt;
    if (!range || range->size() != 2) fail_tensor("has no pair of data_offsets");
    const uint64_t begin = (*range)[0], end = (*range)[1];
    if (begin > end || end > data_bytes_) {
      fail_tensor("lies at " + std::to_string(begin) + " to " + std::to_string(end) + ", outside the " +
                  std::to_string(data_bytes_) + " bytes of data");
    }
    const std::optional<uint64_t> size = stored_bytes(tensor.dtype, tensor.shape);
    if (!size) fail_tensor("has a shape that overflows or cuts its blocks: " + shape_text(tensor.shape));
    const uint64_t bytes = *size;
    if (bytes != end - begin) {
      fail_tensor("of " + std::string(stored_type_name(tensor.dtype)) + " " + shape_text(tensor.shape) + " needs " +
                  std::to_string(bytes) + " bytes but has " + std::to_string(end - begin));
    }
    tensor.data = data_ + begin;
    tensor.bytes = bytes;
    tensors_.push_back(std::move(tensor));
  }

  // An array of integers that are not negative; nothing else.
  static std::optional<std::vector<int64_t>> counts(const Json& json) {
    if (!json.array()) return std::nullopt;
    std::vector<int64_t> out;
    for (const Json& element : *json.array()) {
      if (!element.integer() || *element.integer() < 0) return std::nullopt;
      out.push_back(*element.integer());
    }
    return out;
  }

  void refuse_overlaps() const {
    std::vector<const StoredTensor*> order;
    for (const StoredTensor& tensor : tensors_) {
      if (tensor.bytes > 0) order.push_back(&tensor);
    }
    std::sort(order.begin(), order.end(),
              [](const StoredTensor* a, const StoredTensor* b) { return a->data < b->data; });
    for (size_t i = 1; i < order.size(); ++i) {
      if (order[i - 1]->data + order[i - 1]->bytes > order[i]->data) {
        fail("tensors \"" + order[i - 1]->name + "\" and \"" + order[i]->name + "\" overlap");
      }
    }
  }

  const std::byte* bytes_;
  size_t size_;
  std::string_view file_;
  const std::byte* data_ = nullptr;
  size_t data_bytes_ = 0;
  std::vector<StoredTensor> tensors_;
};

}  // namespace

std::vector<StoredTensor> parse_safetensors(const std::byte* bytes, size_t size, std::string_view file) {
  return Image(bytes, size, file).tensors();
}

std::vector<StoredTensor> parse_described(const FileHeader& header, const std::byte* bytes, size_t size,
                                          std::string_view file) {
  return Image(bytes, size, file).described(header);
}

}  // namespace afterimage
