// Every way in which a safetensors file can lie is one clear INVALID_CHECKPOINT.
#include <string>

#include "graph_check.h"
#include "weights/checkpoint.h"
#include "weights_file.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

std::vector<StoredTensor> parse(const std::string& image) {
  // A copy of the exact size, so that a read past the end is seen by the address sanitizer.
  const std::vector<std::byte> bytes(reinterpret_cast<const std::byte*>(image.data()),
                                     reinterpret_cast<const std::byte*>(image.data()) + image.size());
  return parse_safetensors(bytes.data(), bytes.size(), "model.safetensors");
}

std::string one(const std::string& entry, size_t data_bytes) {
  return with_header("{\"w\":" + entry + "}", std::string(data_bytes, 'x'));
}

std::string stated_length(uint64_t length, const std::string& rest) {
  return std::string(reinterpret_cast<const char*>(&length), 8) + rest;
}

void refuses(const std::string& image, const std::string& fragment) {
  CHECK_ERROR("INVALID_CHECKPOINT", fragment, parse(image));
}

void good_files() {
  const std::string image = safetensors({{"a", "F32", {2, 3}, std::string(24, 'a')},
                                         {"é", "BF16", {3}, std::string(6, 'b')},
                                         {"empty", "F16", {0, 4}, ""},
                                         {"scalar", "I64", {}, std::string(8, 'c')}});
  const std::vector<StoredTensor> tensors =
      parse_safetensors(reinterpret_cast<const std::byte*>(image.data()), image.size(), "x");
  CHECK(tensors.size() == 4);
  CHECK(tensors[0].shape == (std::vector<int64_t>{2, 3}) && tensors[0].bytes == 24 &&
        tensors[0].dtype == StoredType::F32);
  CHECK(std::to_integer<char>(tensors[1].data[5]) == 'b' && tensors[1].name == "é");
  CHECK(tensors[2].bytes == 0 && tensors[3].bytes == 8);
  CHECK(parse(with_header("{}   ", "")).empty());
}

void bad_headers() {
  refuses("", "0 bytes");
  refuses("1234567", "7 bytes");
  refuses(stated_length(uint64_t{1} << 60, "{}"), "header of 1152921504606846976 bytes");
  refuses(stated_length(UINT64_MAX, "{}"), "header of 18446744073709551615 bytes");
  refuses(stated_length(3, "{}"), "header of 3 bytes");
  refuses(stated_length(0, ""), "not valid JSON");
  refuses(with_header("[]", ""), "not a JSON object");
  refuses(with_header("{\"w\":", ""), "not valid JSON");
  refuses(with_header("{} x", ""), "not valid JSON");
  refuses(with_header(std::string(100'000, '['), ""), "nesting");
  refuses(with_header("{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"w\":{\"dtype\":\"F32\","
                      "\"shape\":[1],\"data_offsets\":[4,8]}}",
                      "12345678"),
          "\"w\" appears twice");
}

void bad_entries() {
  refuses(one("7", 4), "has no dtype");
  refuses(one("{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}", 4), "unknown dtype \"F31\"");
  refuses(one("{\"dtype\":\"F32\",\"data_offsets\":[0,4]}", 4), "no shape");
  refuses(one("{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}", 4), "no shape");
  refuses(one("{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}", 4), "no shape");
  refuses(one("{\"dtype\":\"F32\",\"shape\":[1]}", 4), "data_offsets");
  refuses(one("{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}", 4), "data_offsets");
  refuses(one("{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}", 8), "data_offsets");
  refuses(one("{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}", 4), "outside");
  refuses(one("{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}", 7), "outside the 7 bytes");
  refuses(one("{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[9223372036854775800,9223372036854775804]}", 4),
          "outside");
  refuses(one("{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[18446744073709551612,18446744073709551615]}", 4),
          "data_offsets");
  refuses(one("{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}", 8), "needs 12 bytes but has 8");
  refuses(one("{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}", 4), "overflows");
  refuses(one("{\"dtype\":\"F32\",\"shape\":[4611686018427387905],\"data_offsets\":[0,4]}", 4), "overflows");
}

void overlap() {
  const std::string header =
      "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_"
      "offsets\":[3,7]}}";
  refuses(with_header(header, "1234567"), "\"a\" and \"b\" overlap");
}

void files() {
  const TemporaryFile first(safetensors({{"a", "F32", {1}, "1234"}})), second(safetensors({{"b", "F32", {1}, "5678"}}));
  const TemporaryFile empty(""), cut(safetensors({{"a", "F32", {9}, std::string(36, 'x')}}).substr(0, 100));
  Checkpoint both({first.path(), second.path()});
  CHECK(both.tensors().size() == 2 && std::to_integer<char>(both.tensor("b").data[0]) == '5');
  CHECK_ERROR("INVALID_CHECKPOINT", "Tensor \"c\" is missing", both.tensor("c"));
  CHECK_ERROR("INVALID_CHECKPOINT", "Tensor \"a\" is in two files",
              Checkpoint({first.path(), second.path(), first.path()}));
  CHECK_ERROR("INVALID_CHECKPOINT", "0 bytes", Checkpoint({empty.path()}));
  CHECK_ERROR("INVALID_CHECKPOINT", "outside", Checkpoint({cut.path()}));
  CHECK_ERROR("IO_FAILED", "cannot be opened", Checkpoint({first.path() + ".absent"}));
  CHECK_ERROR("IO_FAILED", "is not a file", Checkpoint({std::filesystem::temp_directory_path().string()}));
}

void digests() {
  const std::vector<FileTensor> tensors = {{"a", "F32", {1, 2}, "12345678"}, {"b", "U8", {3}, "abc"}};
  const TemporaryFile file(safetensors(tensors)), same(safetensors({tensors[1], tensors[0]}));
  const std::string digest = Checkpoint({file.path()}).digest();
  CHECK(digest.size() == 64);
  CHECK(Checkpoint({same.path()}).digest() == digest);
  for (int change = 0; change < 4; ++change) {
    std::vector<FileTensor> other = tensors;
    if (change == 0) other[0].bytes[7] = 'x';
    if (change == 1) other[0].shape = {2, 1};
    if (change == 2) other[1].name = "c";
    if (change == 3) other[1].dtype = "I8";
    const TemporaryFile changed(safetensors(other));
    CHECK(Checkpoint({changed.path()}).digest() != digest);
  }
  const TemporaryFile large(safetensors({{"a", "U8", {70 << 20}, std::string(70 << 20, 'x')}}));
  const std::string sampled = Checkpoint({large.path()}).digest();
  CHECK(Checkpoint({large.path()}).digest() == sampled);
  std::filesystem::last_write_time(large.path(),
                                   std::filesystem::last_write_time(large.path()) + std::chrono::seconds(2));
  CHECK(Checkpoint({large.path()}).digest() != sampled);
}

}  // namespace

int main() {
  good_files();
  bad_headers();
  bad_entries();
  overlap();
  files();
  digests();
  return finish();
}
