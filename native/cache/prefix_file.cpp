#include "cache/prefix_file.h"

#include <algorithm>
#include <cstring>
#include <fstream>

#include "graph/error.h"
#include "platform/files.h"
#include "weights/sha256.h"

namespace afterimage {

namespace {

constexpr char kMagic[8] = {'A', 'F', 'T', 'R', 'I', 'M', 'G', '\n'};
constexpr uint32_t kVersion = 2;  // 1 had no label
constexpr size_t kPage = 4096;
constexpr size_t kDigestBytes = 32;
constexpr size_t kIdentityLimit = 4096;
constexpr size_t kItemsLimit = size_t{1} << 30;

struct Header {
  char magic[8];
  uint32_t version, identity_bytes;
  uint64_t items_bytes, block_bytes, block_count, state_bytes;
  int32_t first_block, end;
  uint64_t file_bytes;
};
static_assert(sizeof(Header) == 64);

size_t data_offset(size_t identity_bytes, size_t items_bytes) {
  return (sizeof(Header) + identity_bytes + items_bytes + kLabelLimit + kPage - 1) / kPage * kPage;
}

Header expected_header(const PrefixFormat& format, const PrefixItems& prefix) {
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kVersion;
  header.identity_bytes = static_cast<uint32_t>(format.identity.size());
  header.items_bytes = prefix.items.size();
  header.block_bytes = format.block_bytes;
  header.block_count = static_cast<uint64_t>(prefix.block_count());
  header.state_bytes = format.state_bytes;
  header.first_block = prefix.first_block;
  header.end = prefix.end;
  header.file_bytes = data_offset(format.identity.size(), prefix.items.size()) +
                      header.block_count * header.block_bytes + header.state_bytes + kDigestBytes;
  return header;
}

[[noreturn]] void fail(const std::string& what) { throw Error("IO_FAILED", what); }

[[noreturn]] void fail_with_reason(const std::string& what) { fail(what + platform::last_problem() + "."); }

std::string draft_path(const std::string& folder) {
  static std::atomic<uint64_t> counter{0};
  const std::string id = std::to_string(platform::process_id()) + "-" + std::to_string(counter++);
  const std::string path = folder + "/" + kTemporaryPrefix + id;
  platform::remove_file(path);  // left by an earlier process of the same id
  return path;
}

// A temporary file that disappears unless it is published.
class Draft {
 public:
  explicit Draft(const std::string& folder) : folder_(folder), path_(draft_path(folder)), file_(path_) {
    if (!file_->opened()) fail_with_reason("A cache file could not be created: ");
  }
  ~Draft() {
    file_.reset();
    if (!published_) platform::remove_file(path_);
  }
  Draft(const Draft&) = delete;

  void write(const void* bytes, size_t size) {
    const auto* at = static_cast<const char*>(bytes);
    while (size > 0) {
      const size_t done = file_->write(at, std::min(size, write_pace.slice));
      if (done == 0) fail_with_reason("A cache file could not be written: ");
      digest_.update(at, done);
      at += done;
      size -= done;
      if (write_pace.pause) write_pace.pause();
    }
  }

  void publish(const std::string& name) {
    const auto digest = digest_.digest();
    write(digest.data(), digest.size());
    const std::string path = folder_ + "/" + name;
    published_ = file_->finish() && platform::move_file(path_, path, folder_);
    if (published_) return;
    const std::string reason = platform::last_problem();
    // Another process was first and is reading its file, which some systems do not let be replaced. Its bytes are the
    // same.
    if (!platform::exists(path)) fail("A cache file could not be finished: " + reason + ".");
  }

 private:
  std::string folder_, path_;
  std::optional<platform::NewFile> file_;
  bool published_ = false;
  Sha256 digest_;
};

}  // namespace

std::string prefix_file_name(const PrefixFormat& format, const PrefixItems& prefix) {
  Sha256 digest;
  digest.update_integer(format.identity.size()).update(format.identity);
  digest.update(prefix.items.data(), prefix.items.size());
  return digest.hex() + kPrefixSuffix;
}

void write_prefix_file(const std::string& folder, const PrefixFormat& format, const PrefixItems& prefix,
                       std::span<const std::byte> blocks, std::span<const std::byte> state) {
  const Header header = expected_header(format, prefix);
  Draft draft(folder);
  draft.write(&header, sizeof header);
  draft.write(format.identity.data(), format.identity.size());
  draft.write(prefix.items.data(), prefix.items.size());
  std::string label = prefix.label.size() <= kLabelLimit ? prefix.label : "";
  label.resize(data_offset(format.identity.size(), prefix.items.size()) - sizeof header - format.identity.size() -
               prefix.items.size());
  draft.write(label.data(), label.size());
  draft.write(blocks.data(), blocks.size());
  draft.write(state.data(), state.size());
  draft.publish(prefix_file_name(format, prefix));
}

PrefixFile::PrefixFile(const std::string& path, const PrefixFormat& format, const PrefixItems& prefix)
    : file_(path), block_bytes_(format.block_bytes) {
  const Header expected = expected_header(format, prefix);
  const std::byte* bytes = file_.data();
  if (file_.size() < sizeof(Header)) throw UnsoundFile("A cache file is truncated.");
  Header header;
  std::memcpy(&header, bytes, sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) throw UnsoundFile("A cache file is not of this program.");
  if (header.version != kVersion)
    throw UnsoundFile("A cache file has format version " + std::to_string(header.version) + ".");
  if (std::memcmp(&header, &expected, sizeof header) != 0)
    throw UnsoundFile("A cache file has another layout than this model.");
  if (file_.size() != expected.file_bytes) throw UnsoundFile("A cache file is truncated.");
  const std::byte* identity = bytes + sizeof header;
  if (std::memcmp(identity, format.identity.data(), format.identity.size()) != 0)
    throw UnsoundFile("A cache file belongs to other weights or another backend.");
  if (std::memcmp(identity + format.identity.size(), prefix.items.data(), prefix.items.size()) != 0)
    throw UnsoundFile("A cache file holds another prompt than its name says.");
  const size_t body = expected.file_bytes - kDigestBytes;
  const auto digest = Sha256().update(bytes, body).digest();
  if (std::memcmp(digest.data(), bytes + body, kDigestBytes) != 0)
    throw UnsoundFile("A cache file fails its checksum.");
  blocks_ = bytes + data_offset(format.identity.size(), prefix.items.size());
  state_ = blocks_ + expected.block_count * expected.block_bytes;
}

PrefixSummary summarise_prefix_file(const std::string& path) {
  PrefixSummary summary;
  std::ifstream file(platform::native_path(path), std::ios::binary);
  Header header;
  if (!file.read(reinterpret_cast<char*>(&header), sizeof header)) return summary;
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.identity_bytes > kIdentityLimit) return summary;
  summary.identity.resize(header.identity_bytes);
  if (!file.read(summary.identity.data(), header.identity_bytes)) return {};
  summary.tokens = header.end;
  if (header.version < kVersion || header.items_bytes > kItemsLimit) return summary;
  char label[kLabelLimit];
  const auto skipped = static_cast<std::streamoff>(header.items_bytes);
  if (file.seekg(skipped, std::ios::cur) && file.read(label, sizeof label))
    summary.label.assign(label, static_cast<size_t>(std::find(label, label + sizeof label, '\0') - label));
  return summary;
}

}  // namespace afterimage
