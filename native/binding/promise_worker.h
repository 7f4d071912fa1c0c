// Runs a blocking call on a thread of its own and settles a promise with what it gave. Every long call of the addon
// goes through here, and every C++ exception becomes an RlvrError here.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "engine.h"

namespace rlvr::binding {

class Job;

// The jobs of one JavaScript environment, by the id that JavaScript gave them. Used on its thread only.
class JobRegistry {
 public:
  void Add(int64_t id, Job* job) { jobs_[id] = job; }
  void Remove(int64_t id, Job* job);
  void Cancel(int64_t id);
  void CancelAll();

 private:
  std::unordered_map<int64_t, Job*> jobs_;
};

// What the addon keeps for each environment (the main thread, each worker).
struct AddonData {
  Napi::FunctionReference error_class;   // class RlvrError, registered from TypeScript
  Napi::FunctionReference policy_class;  // the constructor of NativePolicy
  std::shared_ptr<JobRegistry> jobs = std::make_shared<JobRegistry>();
};

// An RlvrError(code, message), or a plain Error with a code before the class is registered.
Napi::Value MakeError(Napi::Env env, const std::string& code, const std::string& message);

// Code and message of the exception that is being handled.
struct Failure {
  std::string code;
  std::string message;
};
Failure CurrentFailure();

// Runs `body` on the JavaScript thread; a C++ exception is thrown there as an RlvrError.
template <typename Body>
auto Guard(Napi::Env env, const Body& body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;  // already a JavaScript exception
  } catch (...) {
    const Failure failure = CurrentFailure();
    throw Napi::Error(env, MakeError(env, failure.code, failure.message));
  }
}

struct JobSpec {
  int64_t id = 0;              // what Cancel() names
  Napi::Function on_progress;  // (done, total), or empty
  // On the job's thread; touches no JavaScript value.
  std::function<void(const CallContext&)> work;
  // On the JavaScript thread after the work succeeded: the promise's value.
  std::function<Napi::Value(Napi::Env)> convert;
  // On the JavaScript thread when the work has ended in any way, just before the promise settles.
  std::function<void()> ended;
};
Napi::Value StartJob(Napi::Env env, JobSpec spec);

// StartJob for work that gives a value.
template <typename Work, typename Convert>
Napi::Value RunAsync(Napi::Env env, JobSpec spec, Work work, Convert convert) {
  using Result = decltype(work(std::declval<const CallContext&>()));
  auto result = std::make_shared<Result>();
  spec.work = [result, work = std::move(work)](const CallContext& context) { *result = work(context); };
  spec.convert = [result, convert = std::move(convert)](Napi::Env e) -> Napi::Value { return convert(e, *result); };
  return StartJob(env, std::move(spec));
}

}  // namespace rlvr::binding
