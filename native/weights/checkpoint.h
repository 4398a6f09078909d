// The tensors of a checkpoint: one or several safetensors files, mapped read-only, every bound checked.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "graph/program.h"
#include "weights/weight_source.h"

namespace afterimage {

enum class StoredType : uint8_t {
  F64,
  F32,
  F16,
  BF16,
  I64,
  I32,
  I16,
  I8,
  U64,
  U32,
  U16,
  U8,
  BOOL,
  F8_E4M3,
  F8_E5M2,
  F8_E8M0,
  // Blocks of GGUF (gguf_forms.cpp): the last axis counts values, which lie in whole blocks.
  Q4_0,
  Q4_1,
  Q5_0,
  Q5_1,
  Q8_0,
  Q2_K,
  Q3_K,
  Q4_K,
  Q5_K,
  Q6_K
};

struct StoredTensor {
  std::string name;
  StoredType dtype = StoredType::F32;
  std::vector<int64_t> shape;
  const std::byte* data = nullptr;
  size_t bytes = 0;
};

// Parses a safetensors image in memory. Throws INVALID_CHECKPOINT with what is wrong: header length, JSON, dtype,
// shape overflow, offsets outside the file, overlapping, or not matching dtype × shape, duplicate names.
std::vector<StoredTensor> parse_safetensors(const std::byte* bytes, size_t size, std::string_view file);

// What stands in place of a file's own header, in the form of a safetensors header, and where its data begins: files of
// other containers, and files of which not every tensor is wanted.
struct FileHeader {
  std::string json;
  size_t data_start = 0;
};
using FileHeaders = std::map<std::string, FileHeader, std::less<>>;  // by path

// The same with that header. Throws INVALID_CHECKPOINT.
std::vector<StoredTensor> parse_described(const FileHeader& header, const std::byte* bytes, size_t size,
                                          std::string_view file);

class Checkpoint {
 public:
  // Throws IO_FAILED, INVALID_CHECKPOINT.
  explicit Checkpoint(const std::vector<std::string>& files, const FileHeaders& headers = {});
  // A safetensors image made by the caller; `name` stands for it in errors.
  Checkpoint(std::vector<uint8_t> image, std::string_view name);
  ~Checkpoint();
  const std::map<std::string, StoredTensor, std::less<>>& tensors() const noexcept;
  const StoredTensor& tensor(std::string_view name) const;  // throws INVALID_CHECKPOINT "tensor X is missing"
  // A recipe made readable: stacked, permuted or sliced copies are owned here; plain matrices point into the files.
  // Refuses NaN or infinite scales and float weights (INVALID_CHECKPOINT).
  WeightSource source(const WeightRecipe& recipe);
  // The recipe's sources are read no more: frees its copies and takes its pages out of memory.
  void release(const WeightRecipe& recipe);
  // What was read so far was the content of the files; throws MODEL_CHANGED where one of them was written to or cut.
  void require_intact() const;
  // SHA-256 over names, dtypes, shapes and bytes of all tensors; hex. Sampled above 64 MiB per file: head, tail and
  // 4,096 strided pages, plus sizes and modification times.
  std::string digest() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace afterimage
