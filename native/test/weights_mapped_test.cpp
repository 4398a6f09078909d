// Mapped files that are cut short or written to behind the reader's back.
#ifndef _WIN32
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <chrono>
#include <thread>

#include "graph_check.h"
#include "platform/mapped_file.h"
#include "weights/checkpoint.h"
#include "weights_file.h"

using namespace afterimage;
using namespace afterimage::test;

namespace {

constexpr size_t kBytes = 1 << 20;

size_t sum(const MappedFile& file) {
  size_t total = 0;
  for (size_t i = 0; i < file.size(); ++i) total += std::to_integer<size_t>(file.data()[i]);
  return total;
}

#ifdef _WIN32  // does not let anybody cut a file that is mapped
void a_mapped_file_stays_whole() {
  const TemporaryFile file(std::string(kBytes, '\1'));
  const MappedFile mapped(file.path());
  std::error_code refused;
  std::filesystem::resize_file(file.path(), 1, refused);
  CHECK(refused && mapped.intact() && sum(mapped) == kBytes);
}
#else
void what_was_cut_reads_as_zeros() {
  const TemporaryFile written(std::string(kBytes, '\1'));
  for (size_t left : {size_t{0}, size_t{1}, kBytes / 2, kBytes - 1}) {
    const TemporaryFile file(std::string(kBytes, '\1'));
    const MappedFile mapped(file.path()), other(written.path());
    CHECK(sum(mapped) == kBytes && mapped.intact());
    std::filesystem::resize_file(file.path(), left);
    CHECK(!mapped.intact());
    CHECK(sum(mapped) <= kBytes && sum(mapped) >= left);
    CHECK(sum(other) == kBytes && other.intact());
  }
}

void many_threads_read_on() {
  const TemporaryFile file(std::string(kBytes, '\1'));
  const MappedFile mapped(file.path());
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i)
    readers.emplace_back([&] {
      for (int round = 0; round < 20; ++round) sum(mapped);
    });
  std::filesystem::resize_file(file.path(), 100);
  for (std::thread& reader : readers) reader.join();
  CHECK(!mapped.intact());
  // Grown again it is another file, and what is mapped stays damaged.
  std::filesystem::resize_file(file.path(), kBytes);
  CHECK(!mapped.intact());
  CHECK(MappedFile(file.path()).intact());
}

#endif

void a_checkpoint_says_so() {
  const TemporaryFile file(safetensors({{"a", "U8", {4}, "1234"}}));
  const Checkpoint checkpoint({file.path()});
  checkpoint.require_intact();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // more than a tick of the file system's clock
  std::ofstream(file.path(), std::ios::in | std::ios::binary).seekp(-1, std::ios::end).put('5');
  CHECK_ERROR("MODEL_CHANGED", "restart", checkpoint.require_intact());
}

#ifndef _WIN32
// A GPU reads the pages of the file themselves; Linux says in its list of mappings that they are shared.
void the_pages_are_the_files() {
#ifdef __linux__
  const TemporaryFile file(std::string(kBytes, '\1'));
  const MappedFile mapped(file.path());
  std::ifstream list("/proc/self/maps");
  std::string found;
  for (std::string line; std::getline(list, line);)
    if (line.find(file.path()) != std::string::npos) found = line;
  CHECK(found.find(" r--s ") != std::string::npos);
#endif
}

void other_faults_still_end_the_process() {
  const TemporaryFile ours(std::string(kBytes, '\1')), foreign(std::string(kBytes, '\1'));
  const MappedFile mapped(ours.path());
  const pid_t child = ::fork();
  if (child == 0) {
    FILE* file = std::fopen(foreign.path().c_str(), "r");
    const auto* bytes =
        static_cast<const volatile char*>(::mmap(nullptr, kBytes, PROT_READ, MAP_PRIVATE, ::fileno(file), 0));
    std::filesystem::resize_file(foreign.path(), 0);
    ::_exit(bytes[kBytes / 2]);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}
#endif

}  // namespace

int main() {
  a_checkpoint_says_so();
#ifdef _WIN32
  a_mapped_file_stays_whole();
#else
  what_was_cut_reads_as_zeros();
  many_threads_read_on();
  the_pages_are_the_files();
  other_faults_still_end_the_process();
#endif
  std::puts("ok");
}
