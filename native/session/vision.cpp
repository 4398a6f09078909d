#include "session/vision.h"

#include "graph/error.h"

namespace afterimage {

ImageFeatures Vision::encode(const std::vector<NamedInput>& inputs, size_t pause_every, std::function<void()> pause,
                             const std::atomic<bool>& cancel) {
  RunRequest request;
  request.pause = std::move(pause);
  request.pause_every = pause_every;
  const Program& program = executor_->program();
  for (const NamedInput& input : inputs) {
    const int32_t value = program.value_index(input.name);
    if (value < 0) throw Error("INVALID_ARGUMENT", "The vision program has no input \"" + input.name + "\".");
    const bool matches = program.values[value].width == input.width && program.values[value].dtype == input.dtype &&
                         input.data.size() == static_cast<size_t>(input.rows * input.width) * 4;
    if (!matches)
      throw Error("INVALID_ARGUMENT", "Expected rows of " + std::to_string(program.values[value].width) +
                                          " elements for vision input \"" + input.name + "\" but received " +
                                          std::to_string(input.rows) + " × " + std::to_string(input.width) + ".");
    request.inputs.push_back({input.name, input.rows, input.data.data(), {}});
  }
  std::vector<HostTensor> outputs = executor_->run(request, cancel);
  ImageFeatures features;
  for (int32_t level = 0; level <= deepstack_; ++level) {
    const std::string name = level == 0 ? "features" : "features." + std::to_string(level);
    for (HostTensor& output : outputs) {
      if (output.name != name) continue;
      features.rows = output.rows;
      features.width = output.width;
      features.tensors.push_back(std::move(output.data));
    }
  }
  if (features.tensors.size() != static_cast<size_t>(deepstack_) + 1 || features.width != hidden_)
    throw Error("INVALID_PROGRAM", "Expected the vision program to yield " + std::to_string(deepstack_ + 1) +
                                       " feature tensors of width " + std::to_string(hidden_) + ".");
  return features;
}

}  // namespace afterimage
