#include "weights/checkpoint.h"

#include <algorithm>

#include "graph/error.h"
#include "platform/mapped_file.h"
#include "weights/recipe_source.h"
#include "weights/sha256.h"
#include "weights/stored_type.h"

namespace afterimage {
namespace {

constexpr size_t kWholeBytes = 64 << 20;  // files up to this size are hashed whole
constexpr size_t kPageBytes = 4096, kSampledPages = 4096, kEdgeBytes = 1 << 20;

void hash_sampled(Sha256& hash, const MappedFile& file) {
  hash.update_integer(file.size()).update_integer(static_cast<uint64_t>(file.modified_ns()));
  hash.update(file.data(), kEdgeBytes).update(file.data() + file.size() - kEdgeBytes, kEdgeBytes);
  const size_t stride = file.size() / kSampledPages / kPageBytes * kPageBytes;
  for (size_t page = 0; page < kSampledPages; ++page) hash.update(file.data() + page * stride, kPageBytes);
}

}  // namespace

struct Checkpoint::Impl {
  std::vector<std::unique_ptr<MappedFile>> files;
  std::vector<uint8_t> image;
  std::map<std::string, StoredTensor, std::less<>> tensors;
  std::map<const WeightRecipe*, OwnedBytes> owned;

  // Null where the tensor lies in the caller's image.
  const MappedFile* file_of(const StoredTensor& tensor) const {
    const auto holds = [&](const auto& file) {
      return tensor.data >= file->data() && tensor.data <= file->data() + file->size();
    };
    const auto found = std::find_if(files.begin(), files.end(), holds);
    return found == files.end() ? nullptr : found->get();
  }
};

Checkpoint::Checkpoint(const std::vector<std::string>& files, const FileHeaders& headers)
    : impl_(std::make_unique<Impl>()) {
  for (const std::string& path : files) {
    const MappedFile& file = *impl_->files.emplace_back(std::make_unique<MappedFile>(path));
    const auto header = headers.find(path);
    for (StoredTensor& tensor : header == headers.end()
                                    ? parse_safetensors(file.data(), file.size(), path)
                                    : parse_described(header->second, file.data(), file.size(), path)) {
      std::string name = tensor.name;
      if (!impl_->tensors.emplace(name, std::move(tensor)).second) {
        throw Error("INVALID_CHECKPOINT", "Tensor \"" + name + "\" is in two files, the second being \"" + path +
                                              "\"; remove the file that does not belong.");
      }
    }
  }
}

Checkpoint::Checkpoint(std::vector<uint8_t> image, std::string_view name) : impl_(std::make_unique<Impl>()) {
  impl_->image = std::move(image);
  const auto* bytes = reinterpret_cast<const std::byte*>(impl_->image.data());
  for (StoredTensor& tensor : parse_safetensors(bytes, impl_->image.size(), name)) {
    std::string key = tensor.name;
    if (!impl_->tensors.emplace(key, std::move(tensor)).second)
      throw Error("INVALID_CHECKPOINT", "Tensor \"" + key + "\" is twice in " + std::string(name) + "; store it once.");
  }
}

Checkpoint::~Checkpoint() = default;

const std::map<std::string, StoredTensor, std::less<>>& Checkpoint::tensors() const noexcept { return impl_->tensors; }

const StoredTensor& Checkpoint::tensor(std::string_view name) const {
  const auto found = impl_->tensors.find(name);
  if (found == impl_->tensors.end()) {
    throw Error("INVALID_CHECKPOINT",
                "Tensor \"" + std::string(name) + "\" is missing; check that every file of the checkpoint is there.");
  }
  return found->second;
}

WeightSource Checkpoint::source(const WeightRecipe& recipe) {
  return recipe_source(recipe, *this, impl_->owned[&recipe]);
}

void Checkpoint::release(const WeightRecipe& recipe) {
  impl_->owned.erase(&recipe);
  for (const auto* names :
       {&recipe.tensors, &recipe.scales, &recipe.biases, &recipe.zeros, &recipe.order, &recipe.tables}) {
    for (const std::string& name : *names) {
      const StoredTensor& stored = tensor(name);
      const MappedFile* file = stored.bytes > 0 ? impl_->file_of(stored) : nullptr;
      if (file) file->drop(stored.data, stored.bytes);
    }
  }
}

void Checkpoint::require_intact() const {
  for (const auto& file : impl_->files) {
    if (!file->intact())
      throw Error("MODEL_CHANGED",
                  "\"" + file->path() +
                      "\" is not what it was when this model was loaded; restart, so that it is loaded "
                      "anew.");
  }
}

std::string Checkpoint::digest() const {
  Sha256 hash;
  for (const auto& [name, tensor] : impl_->tensors) {
    hash.update_integer(name.size())
        .update(name)
        .update(stored_type_name(tensor.dtype))
        .update_integer(tensor.shape.size());
    for (int64_t axis : tensor.shape) hash.update_integer(static_cast<uint64_t>(axis));
    const MappedFile* file = tensor.bytes > 0 ? impl_->file_of(tensor) : nullptr;
    if (tensor.bytes > 0 && (!file || file->size() <= kWholeBytes)) hash.update(tensor.data, tensor.bytes);
  }
  for (const auto& file : impl_->files) {
    if (file->size() > kWholeBytes) hash_sampled(hash, *file);
    file->drop(file->data(), file->size());
  }
  return hash.hex();
}

}  // namespace afterimage
