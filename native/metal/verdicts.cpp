#include "metal/verdicts.h"

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "metal/kernel_source.h"
#include "platform/files.h"

namespace afterimage::metal {
namespace {

constexpr const char* kHeader = "afterimage metal verdicts 1";
constexpr size_t kMost = 4096;  // lines: of about ten systems; an older file begins anew

std::string one_line(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return text;
}

}  // namespace

Verdicts::Verdicts(std::string file, const std::string& machine)
    : file_(std::move(file)), machine_(text_hash(machine)) {
  if (file_.empty()) return;
  std::ifstream in(platform::native_path(file_));
  std::string line;
  if (!std::getline(in, line) || line != kHeader) return;
  while (std::getline(in, line)) {
    const size_t tab = line.find('\t');
    if (tab != std::string::npos) known_[line.substr(0, tab)] = line.substr(tab + 1);
  }
  if (known_.size() > kMost) known_.clear();
}

std::string Verdicts::key(const std::string& kernel, std::string_view text) const {
  char hash[17];
  std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(text_hash(text, machine_)));
  return kernel + " " + hash;
}

std::optional<std::string> Verdicts::find(const std::string& kernel, std::string_view text) const {
  const auto found = known_.find(key(kernel, text));
  if (found == known_.end()) return std::nullopt;
  return found->second;
}

void Verdicts::add(const std::string& kernel, std::string_view text, const std::string& failure) {
  known_[key(kernel, text)] = one_line(failure);
  grew_ = true;
}

void Verdicts::save() {
  if (file_.empty() || !grew_) return;
  grew_ = false;
  std::string text = std::string(kHeader) + "\n";
  for (const auto& [key, failure] : known_) text += key + "\t" + failure + "\n";
  const std::string part = file_ + "." + std::to_string(platform::process_id());
  const std::filesystem::path folder = platform::native_path(file_).parent_path();
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
  platform::NewFile file(part);
  if (!file.opened()) return;
  const bool whole = file.write(text.data(), text.size()) == text.size() && file.finish();
  if (!whole || !platform::move_file(part, file_, platform::utf8_of(folder))) platform::remove_file(part);
}

}  // namespace afterimage::metal
