// class NativePolicy: one loaded engine as a JavaScript object.
#pragma once

#include <napi.h>

#include <memory>

#include "binding/promise_worker.h"
#include "engine.h"

namespace rlvr::binding {

// The engine of a policy, shared with the job that runs on it. Fields are used on the JavaScript thread only.
struct EngineHandle {
  std::unique_ptr<Engine> engine;  // null after close
  ModelInfo info;
  int64_t running_job = -1;  // -1: idle
  bool closed = false;
};

class NativePolicy : public Napi::ObjectWrap<NativePolicy> {
 public:
  static Napi::Function DefineClass(Napi::Env env);
  // load(options, jobId, onProgress?): Promise<NativePolicy>
  static Napi::Value Load(const Napi::CallbackInfo& info);
  // plan(options, workload, jobId): Promise<{memory, info}>
  static Napi::Value Plan(const Napi::CallbackInfo& info);
  // Only Load makes these: the argument is an External<std::shared_ptr<EngineHandle>>.
  explicit NativePolicy(const Napi::CallbackInfo& info);

 private:
  Napi::Value Info(const Napi::CallbackInfo& info);
  Napi::Value Memory(const Napi::CallbackInfo& info);
  void StartTrace(const Napi::CallbackInfo& info);
  Napi::Value StopTrace(const Napi::CallbackInfo& info);
  Napi::Value Reserve(const Napi::CallbackInfo& info);
  Napi::Value Generate(const Napi::CallbackInfo& info);
  Napi::Value Score(const Napi::CallbackInfo& info);
  Napi::Value ScoreChoices(const Napi::CallbackInfo& info);
  Napi::Value LoadAdapter(const Napi::CallbackInfo& info);
  Napi::Value Accumulate(const Napi::CallbackInfo& info);
  Napi::Value Update(const Napi::CallbackInfo& info);
  Napi::Value ZeroGradients(const Napi::CallbackInfo& info);
  Napi::Value SaveAdapter(const Napi::CallbackInfo& info);
  Napi::Value SaveWeights(const Napi::CallbackInfo& info);
  Napi::Value SaveState(const Napi::CallbackInfo& info);
  Napi::Value LoadState(const Napi::CallbackInfo& info);
  Napi::Value ParameterNames(const Napi::CallbackInfo& info);
  Napi::Value Parameter(const Napi::CallbackInfo& info);
  Napi::Value SetParameter(const Napi::CallbackInfo& info);
  Napi::Value Gradient(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  // The engine, or RLVR_DISPOSED or RLVR_BUSY.
  Engine& IdleEngine(const char* what) const;
  // Runs work(engine, context) as a job that takes the engine until it ends; the promise has convert(env, result), or
  // undefined for work without a result. The job's id and progress callback are info[first] and info[first + 1].
  template <typename Work>
  Napi::Value Run(const Napi::CallbackInfo& info, size_t first, const char* what, Work work);

  std::shared_ptr<EngineHandle> handle_;
};

}  // namespace rlvr::binding
