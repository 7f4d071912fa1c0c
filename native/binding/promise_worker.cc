#include "binding/promise_worker.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <new>
#include <optional>
#include <system_error>
#include <thread>

namespace rlvr::binding {

namespace {
constexpr std::chrono::milliseconds kProgressInterval{20};  // a person sees no faster updates
}  // namespace

// One running call. Made and destroyed on the JavaScript thread; destroyed by the finalizer of its thread-safe
// function, which Node also runs when the environment ends with the job still running.
class Job {
 public:
  Job(Napi::Env env, JobSpec spec, std::shared_ptr<JobRegistry> registry)
      : spec_(std::move(spec)), registry_(std::move(registry)), deferred_(Napi::Promise::Deferred::New(env)) {}

  Napi::Value Start(Napi::Env env);
  void Cancel() { cancelled_ = true; }

 private:
  enum class Event { kProgress, kEnd };
  static void CallJs(Napi::Env env, Napi::Function on_progress, Job* job, Event* event);
  using Channel = Napi::TypedThreadSafeFunction<Job, Event, CallJs>;

  void Run();
  void ReportProgress(int64_t done, int64_t total);
  void Settle(Napi::Env env);
  static void Finalize(Napi::Env, void*, Job* job);

  JobSpec spec_;
  std::shared_ptr<JobRegistry> registry_;
  Napi::Promise::Deferred deferred_;
  Channel channel_;
  std::thread thread_;
  std::optional<Failure> failure_;
  std::atomic<bool> cancelled_{false};
  std::atomic<bool> progress_pending_{false};
  std::atomic<int64_t> done_{0}, total_{0};
  // Of the job's thread alone:
  std::chrono::steady_clock::time_point last_progress_;
  bool channel_open_ = true;
};

void JobRegistry::Remove(int64_t id, Job* job) {
  const auto found = jobs_.find(id);
  if (found != jobs_.end() && found->second == job) jobs_.erase(found);
}

void JobRegistry::Cancel(int64_t id) {
  const auto found = jobs_.find(id);
  if (found != jobs_.end()) found->second->Cancel();
}

void JobRegistry::CancelAll() {
  for (const auto& [id, job] : jobs_) job->Cancel();
}

Napi::Value MakeError(Napi::Env env, const std::string& code, const std::string& message) {
  const AddonData* data = env.GetInstanceData<AddonData>();
  if (data != nullptr && !data->error_class.IsEmpty()) {
    return data->error_class.New({Napi::String::New(env, code), Napi::String::New(env, message)});
  }
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error.Value();
}

Failure CurrentFailure() {
  try {
    throw;
  } catch (const Error& error) {
    return {CodeName(error.code()), error.what()};
  } catch (const std::bad_alloc&) {
    return {
        CodeName(ErrorCode::kOutOfMemory),
        "[engine] the machine has no more memory to give. Lower the batch or the model's size, or set memoryLimitBytes "
        "to learn which part asks for it."};
  } catch (const std::system_error& error) {  // filesystem errors included
    return {CodeName(ErrorCode::kIo), Concat("[engine] ", error.what())};
  } catch (const std::exception& error) {
    return {CodeName(ErrorCode::kInternal), Concat("[engine] ", error.what(), ". This is a bug in rlvr-node.")};
  } catch (...) {
    return {CodeName(ErrorCode::kInternal), "[engine] an unknown exception. This is a bug in rlvr-node."};
  }
}

Napi::Value StartJob(Napi::Env env, JobSpec spec) {
  Job* job = new Job(env, std::move(spec), env.GetInstanceData<AddonData>()->jobs);
  return job->Start(env);  // owned by its channel from here on
}

Napi::Value Job::Start(Napi::Env env) {
  const Napi::Promise promise = deferred_.Promise();
  if (spec_.on_progress.IsEmpty()) {
    channel_ = Channel::New(env, "rlvr job", 0, 1, this, Finalize, static_cast<void*>(nullptr));
  } else {
    channel_ = Channel::New(env, spec_.on_progress, "rlvr job", 0, 1, this, Finalize, static_cast<void*>(nullptr));
    spec_.on_progress = Napi::Function();  // the channel holds it; this handle dies with its scope
  }
  registry_->Add(spec_.id, this);
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (...) {
    failure_ = CurrentFailure();
    Settle(env);
    channel_.Release();
  }
  return promise;
}

void Job::Run() {
  CallContext context;
  context.cancelled = &cancelled_;
  context.progress = [this](int64_t done, int64_t total) { ReportProgress(done, total); };
  try {
    if (cancelled_) throw Error(ErrorCode::kAborted, "[engine] the call was aborted before it started.");
    spec_.work(context);
  } catch (...) {
    failure_ = CurrentFailure();
  }
  static Event end = Event::kEnd;
  if (channel_open_ && channel_.BlockingCall(&end) == napi_ok) channel_.Release();
}

void Job::ReportProgress(int64_t done, int64_t total) {
  done_ = done;
  total_ = total;
  const auto now = std::chrono::steady_clock::now();
  if (!channel_open_ || (now - last_progress_ < kProgressInterval && done != total)) return;
  last_progress_ = now;
  if (progress_pending_.exchange(true)) return;
  static Event progress = Event::kProgress;
  // Refused once the environment is closing; the channel must not be touched after that.
  channel_open_ = channel_.NonBlockingCall(&progress) == napi_ok;
}

void Job::CallJs(Napi::Env env, Napi::Function on_progress, Job* job, Event* event) {
  if (static_cast<napi_env>(env) == nullptr) return;  // the environment is closing
  if (*event == Event::kEnd) {
    job->Settle(env);
    return;
  }
  job->progress_pending_ = false;
  if (on_progress.IsEmpty()) return;
  on_progress.Call({Napi::Number::New(env, static_cast<double>(job->done_)),
                    Napi::Number::New(env, static_cast<double>(job->total_))});
}

void Job::Settle(Napi::Env env) {
  registry_->Remove(spec_.id, this);
  if (spec_.ended) spec_.ended();
  if (!failure_) {
    try {
      deferred_.Resolve(spec_.convert(env));
      return;
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
      return;
    } catch (...) {
      failure_ = CurrentFailure();
    }
  }
  deferred_.Reject(MakeError(env, failure_->code, failure_->message));
}

void Job::Finalize(Napi::Env, void*, Job* job) {
  job->Cancel();
  if (job->thread_.joinable()) job->thread_.join();
  job->registry_->Remove(job->spec_.id, job);
  delete job;
}

}  // namespace rlvr::binding
