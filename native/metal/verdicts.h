// What was found out about kernels on this machine, kept between starts: a kernel is tested again only where the
// device, the system or the texts are others.
#pragma once
#include <map>
#include <optional>
#include <string>

namespace afterimage::metal {

class Verdicts {
 public:
  // `file`: where they are kept; empty: nowhere. `machine`: all that they hold for but the kernel's own text.
  Verdicts(std::string file, const std::string& machine);

  // Empty text: passed; otherwise why not. Nothing where it is not known.
  std::optional<std::string> find(const std::string& kernel, std::string_view text) const;
  void add(const std::string& kernel, std::string_view text, const std::string& failure);
  // Writes what was added. A file that cannot be written costs the next start its tests again.
  void save();

 private:
  std::string key(const std::string& kernel, std::string_view text) const;

  std::string file_;
  uint64_t machine_;
  std::map<std::string, std::string> known_;  // key → failure
  bool grew_ = false;
};

}  // namespace afterimage::metal
