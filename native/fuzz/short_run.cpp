// A fuzzer without libFuzzer, for every test run: mutates the seeds for AFTERIMAGE_FUZZ_SECONDS (2). What it fails on
// is left in the file `failed-input`.  short_run SEED_FOLDER
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

std::string current;

void keep_failed_input(int) {
  std::ofstream("failed-input", std::ios::binary) << current;
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

std::vector<std::string> seeds_in(const std::string& folder) {
  std::vector<std::string> seeds{""};
  if (!std::filesystem::is_directory(folder)) return seeds;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return seeds;
}

std::string mutated(std::string text, const std::vector<std::string>& seeds, std::mt19937& random) {
  const auto at = [&](size_t size) { return size == 0 ? 0 : random() % size; };
  for (size_t changes = 1 + random() % 4; changes > 0; --changes) {
    const size_t from = at(text.size() + 1);
    const std::string& other = seeds[at(seeds.size())];
    switch (random() % 5) {
      case 0:
        if (!text.empty()) text[at(text.size())] ^= static_cast<char>(1 << random() % 8);
        break;
      case 1:
        text.insert(from, 1, static_cast<char>(random()));
        break;
      case 2:
        text.erase(from, random() % 16);
        break;
      case 3:
        text.insert(from, text.substr(at(text.size()), random() % 64));
        break;
      case 4:
        text.replace(from, random() % 64, other.substr(at(other.size()), random() % 64));
        break;
    }
  }
  return text;
}

void run(const std::string& text) {
  current = text;
  const std::vector<uint8_t> copy(text.begin(), text.end());
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGABRT, keep_failed_input);
  const std::vector<std::string> seeds = seeds_in(argc > 1 ? argv[1] : "");
  const char* given = std::getenv("AFTERIMAGE_FUZZ_SECONDS");
  const std::time_t end = std::time(nullptr) + (given ? std::atoi(given) : 2);
  for (const std::string& seed : seeds) run(seed);
  std::mt19937 random(static_cast<uint32_t>(given ? end : 1));
  size_t runs = 0;
  for (; std::time(nullptr) < end; ++runs) run(mutated(seeds[random() % seeds.size()], seeds, random));
  std::printf("%zu seeds, %zu mutations\n", seeds.size(), runs);
}
