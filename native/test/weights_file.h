// Writes safetensors files for tests, and tensors into them.
#pragma once
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "platform/files.h"

namespace afterimage::test {

struct FileTensor {
  std::string name, dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

inline std::string json_list(const std::vector<int64_t>& numbers) {
  std::string text = "[";
  for (size_t i = 0; i < numbers.size(); ++i) text += (i ? "," : "") + std::to_string(numbers[i]);
  return text + "]";
}

inline std::string with_header(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

// Data starts at an odd address, because real files promise no alignment.
inline std::string safetensors(const std::vector<FileTensor>& tensors) {
  std::string header = "{\"__metadata__\":{\"format\":\"pt\"}", data;
  for (const FileTensor& tensor : tensors) {
    const int64_t begin = static_cast<int64_t>(data.size());
    data += tensor.bytes;
    header += ",\"" + tensor.name + "\":{\"dtype\":\"" + tensor.dtype + "\",\"shape\":" + json_list(tensor.shape) +
              ",\"data_offsets\":" + json_list({begin, static_cast<int64_t>(data.size())}) + "}";
  }
  header += "}";
  if (header.size() % 2 == 0) header += " ";
  return with_header(header, data);
}

// A file that lives as long as the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content) {
    static int serial = 0;
    path_ = (std::filesystem::temp_directory_path() /
             ("afterimage-" + std::to_string(platform::process_id()) + "-" + std::to_string(serial++)))
                .string();
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace afterimage::test
