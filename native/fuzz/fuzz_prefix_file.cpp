// Arbitrary bytes as a file of the disk tier: listed without harm, and either refused or exactly what was written.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "cache/prefix_file.h"
#include "platform/files.h"

using namespace afterimage;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

// The one sound file, and where the bytes to be tried are put.
struct Case {
  PrefixFormat format{"weights 1234\nbackend fuzz\n", 512, 96};
  PrefixItems prefix{std::vector<std::byte>(300, std::byte{7}), 1, 150};
  std::vector<std::byte> blocks{1024, std::byte{3}}, state{96, std::byte{5}};
  std::string folder =
      (std::filesystem::temp_directory_path() / ("fuzz-prefix-" + std::to_string(platform::process_id()))).string();
  std::string path = folder + "/" + prefix_file_name(format, prefix);
  std::string sound;

  Case() {
    std::filesystem::create_directories(folder);
    write_prefix_file(folder, format, prefix, blocks, state);
    std::ifstream file(path, std::ios::binary);
    sound.assign(std::istreambuf_iterator<char>(file), {});
  }
  ~Case() { std::filesystem::remove_all(folder); }
};

}  // namespace

// Mutations begin with the sound file: bytes are laid over it from an offset, or replace it where the offset is odd.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Case known;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (size >= 2 && data[0] % 2 == 0) {
    const size_t from = (data[0] / 2 * 256u + data[1]) % known.sound.size();
    std::string over = known.sound;
    over.replace(from, std::min(size - 2, over.size() - from), bytes, 2, std::min(size - 2, over.size() - from));
    bytes = over;
  }
  std::ofstream(known.path, std::ios::binary | std::ios::trunc) << bytes;
  summarise_prefix_file(known.path);
  try {
    const PrefixFile file(known.path, known.format, known.prefix);
    require(bytes == known.sound);
    require(std::memcmp(file.block(0), known.blocks.data(), known.blocks.size()) == 0);
    require(std::memcmp(file.state(), known.state.data(), known.state.size()) == 0);
  } catch (const Error& error) {
    require(error.code() == "IO_FAILED" && bytes != known.sound);
  }
  return 0;
}
