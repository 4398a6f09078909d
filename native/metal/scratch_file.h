// A file among the temporary ones that is gone when this ends.
#pragma once
#include <filesystem>
#include <string>

#include "platform/files.h"

namespace afterimage::metal {

struct ScratchFile {
  std::string path = platform::utf8_of(std::filesystem::temp_directory_path()) + "/afterimage-metal-" +
                     std::to_string(platform::process_id());
  ~ScratchFile() { platform::remove_file(path); }
};

}  // namespace afterimage::metal
