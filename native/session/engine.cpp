#include "session/engine.h"

#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "session/failure.h"
#include "session/scheduler.h"

namespace afterimage {

struct Engine::Impl {
  Impl(EngineOptions given, ModelSource source, std::unique_ptr<Backend> given_backend,
       const std::function<void(size_t, size_t)>& progress)
      : options(std::move(given)),
        backend(std::move(given_backend)),
        model(options, std::move(source), *backend, progress),
        scheduler(options, model, interrupt, [this](std::function<void()> command) { post(std::move(command)); }) {
    scheduler.on_ended = [this](RequestId request) { forget(request); };
    scheduler.on_pause = [this] { run_commands(); };
    counters = scheduler.counters();
    thread = std::thread([this] { loop(); });
  }

  void post(std::function<void()> command);  // throws CLOSED once the thread has stopped
  void loop();
  void run_commands();
  void stop();
  void forget(RequestId request);
  void require_open() const;
  RequestPtr find(RequestId request);

  const EngineOptions options;
  const std::unique_ptr<Backend> backend;
  Model model;
  Interrupt interrupt;
  Scheduler scheduler;  // the engine thread's

  mutable std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::function<void()>> commands;
  std::map<RequestId, RequestPtr> requests;
  uint64_t next_id = 1;
  bool closing = false, stopped = false;
  Counters counters;
  std::mutex joining;
  std::thread thread;
};

void Engine::Impl::post(std::function<void()> command) {
  std::lock_guard lock(mutex);
  if (stopped) require_open();
  commands.push_back(std::move(command));
  wake.notify_one();
}

void Engine::Impl::forget(RequestId request) {
  std::lock_guard lock(mutex);
  requests.erase(request);
  counters = scheduler.counters();
}

void Engine::Impl::require_open() const {
  if (closing) throw Error("CLOSED", "The engine is closed; load the model again.");
}

RequestPtr Engine::Impl::find(RequestId request) {
  std::lock_guard lock(mutex);
  require_open();
  const auto found = requests.find(request);
  return found == requests.end() ? nullptr : found->second;
}

void Engine::Impl::loop() {
  bool busy = true;
  for (;;) {
    bool last;
    {
      std::unique_lock lock(mutex);
      if (!busy) {
        counters = scheduler.counters();
        wake.wait(lock, [&] { return closing || !commands.empty(); });
      }
      last = closing;
    }
    try {
      run_commands();
      if (last) break;
      busy = scheduler.step();
    } catch (...) {
      // Such as no memory for the engine's own lists: those who wait are told, and the engine goes on.
      scheduler.fail_all(error_of(std::current_exception()));
      if (last) break;
    }
  }
  stop();
}

void Engine::Impl::run_commands() {
  std::deque<std::function<void()>> given;
  {
    std::lock_guard lock(mutex);
    counters = scheduler.counters();
    given.swap(commands);
  }
  for (auto& command : given) command();
}

void Engine::Impl::stop() {
  scheduler.close(Error("CLOSED", "The engine was closed before the request ended."));
  for (;;) {
    // What came meanwhile is about requests that have just ended, and is told so.
    std::deque<std::function<void()>> late;
    {
      std::lock_guard lock(mutex);
      late.swap(commands);
      stopped = late.empty();
      if (stopped) {
        counters = scheduler.counters();
        counters.blocks_leaked = counters.blocks_in_use;
        return;
      }
    }
    for (auto& command : late) command();
  }
}

Engine::Engine(EngineOptions options, ModelSource source, std::unique_ptr<Backend> backend,
               const std::function<void(size_t, size_t)>& progress)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(source), std::move(backend), progress)) {}

Engine::~Engine() { close(); }

namespace {

void check_tokens(const std::vector<int32_t>& ids, int64_t vocab, const std::string& where) {
  for (int32_t id : ids)
    if (id < 0 || id >= vocab)
      throw Error("INVALID_ARGUMENT",
                  "Expected tokens of the model in " + where + " but received " + std::to_string(id) + ".");
}

void check_choices(const RequestOptions& options, int64_t vocab) {
  if (!options.choices.empty() && options.max_tokens != 0)
    throw Error("INVALID_ARGUMENT", "Expected choices or an answer but received both.");
  for (const auto& choice : options.choices) {
    if (choice.empty()) throw Error("INVALID_ARGUMENT", "Expected at least one token in each choice.");
    check_tokens(choice, vocab, "each choice");
  }
}

}  // namespace

RequestId Engine::begin(Prompt prompt, const RequestOptions& options, OnPlan on_plan, OnError on_error) {
  const ModelTraits& traits = impl_->model.traits;
  if (options.max_tokens < 0)
    throw Error("INVALID_ARGUMENT",
                "Expected 0 or more answer tokens but received " + std::to_string(options.max_tokens) + ".");
  check_choices(options, traits.vocab);
  auto sequence = std::make_shared<Sequence>(std::move(prompt), traits.position_axes, traits.visibility);
  std::lock_guard lock(impl_->mutex);
  impl_->require_open();
  const auto request = std::make_shared<Request>(impl_->next_id++, options);
  request->on_plan = std::move(on_plan);
  request->on_error = std::move(on_error);
  impl_->requests[request->id] = request;
  impl_->commands.push_back(
      [impl = impl_.get(), request, sequence] { impl->scheduler.begin(request, std::move(*sequence)); });
  impl_->wake.notify_one();
  return request->id;
}

void Engine::encode(RequestId request, const ImageKey& key, std::vector<NamedInput> inputs, OnEncoded on_encoded,
                    OnError on_error) {
  auto job = std::make_shared<EncodeJob>(EncodeJob{key, std::move(inputs), std::move(on_encoded), std::move(on_error)});
  impl_->post([impl = impl_.get(), found = impl_->find(request), job] {
    if (!found) return job->on_error(Error("CANCELLED", "The request has ended."));
    impl->scheduler.encode(found, std::move(*job));
  });
}

void Engine::generate(RequestId request, GenerateOptions options, GenerateCallbacks callbacks) {
  check_sampling(options.sampling);
  check_tokens(options.expected, impl_->model.traits.vocab, "the expected text");
  impl_->post([impl = impl_.get(), found = impl_->find(request), options = std::move(options),
               callbacks = std::move(callbacks)]() mutable {
    if (!found) return callbacks.on_error(Error("CANCELLED", "The request has ended."));
    impl->scheduler.generate(found, std::move(options), std::move(callbacks));
  });
}

void Engine::finish(RequestId request) {
  std::lock_guard lock(impl_->mutex);
  const auto found = impl_->requests.find(request);
  if (found != impl_->requests.end()) found->second->finishing = true;
}

void Engine::cancel(RequestId request) {
  RequestPtr found;
  {
    std::lock_guard lock(impl_->mutex);
    const auto entry = impl_->requests.find(request);
    if (entry == impl_->requests.end()) return;
    found = entry->second;
  }
  impl_->interrupt.cancel(*found);
  std::lock_guard lock(impl_->mutex);
  impl_->commands.push_back([] {});  // wakes the thread, which reaps the request
  impl_->wake.notify_one();
}

Counters Engine::stats() const {
  std::lock_guard lock(impl_->mutex);
  Counters now = impl_->counters;
  const DiskCounters disk = impl_->scheduler.disk().counters();
  now.disk = {disk.hits, disk.misses, disk.evictions, disk.bytes};
  now.disk_writes = disk.writes;
  now.disk_skipped = disk.skipped;
  now.disk_rejected = disk.rejected;
  now.disk_problem = disk.problem;
  return now;
}

std::string Engine::backend_identity() const { return impl_->backend->identity(); }

std::string Engine::weights_digest() const { return impl_->model.digest; }

void Engine::clear_memory() {
  std::lock_guard lock(impl_->mutex);
  impl_->require_open();
  impl_->commands.push_back([impl = impl_.get()] { impl->scheduler.clear_memory(); });
  impl_->wake.notify_one();
}

TreeListing Engine::tree(size_t most) {
  auto held = std::make_shared<std::promise<HeldTree>>();
  auto ready = held->get_future();
  impl_->post([impl = impl_.get(), held] {
    try {
      held->set_value(impl->scheduler.held_tree());
    } catch (...) {
      held->set_exception(std::current_exception());
    }
  });
  held.reset();
  return largest(ready.get(), impl_->scheduler.disk().list(), most);
}

void Engine::flush_disk() { impl_->scheduler.disk().flush(); }

void Engine::close() {
  std::lock_guard joining(impl_->joining);
  if (!impl_->thread.joinable()) return;
  std::vector<RequestPtr> running;
  {
    std::lock_guard lock(impl_->mutex);
    impl_->closing = true;
    for (const auto& [id, request] : impl_->requests) running.push_back(request);
    impl_->wake.notify_one();
  }
  for (const RequestPtr& request : running) impl_->interrupt.cancel(*request);
  impl_->thread.join();
}

}  // namespace afterimage
