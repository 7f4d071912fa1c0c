#include "binding/native_policy.h"

#include <type_traits>
#include <utility>

#include "binding/arguments.h"
#include "binding/results.h"

namespace rlvr::binding {

Napi::Function NativePolicy::DefineClass(Napi::Env env) {
  using P = NativePolicy;
  return ObjectWrap::DefineClass(env, "NativePolicy",
                                 {InstanceMethod<&P::Info>("info"),
                                  InstanceMethod<&P::Memory>("memory"),
                                  InstanceMethod<&P::Reserve>("reserve"),
                                  InstanceMethod<&P::StartTrace>("startTrace"),
                                  InstanceMethod<&P::StopTrace>("stopTrace"),
                                  InstanceMethod<&P::Generate>("generate"),
                                  InstanceMethod<&P::Score>("score"),
                                  InstanceMethod<&P::ScoreChoices>("scoreChoices"),
                                  InstanceMethod<&P::LoadAdapter>("loadAdapter"),
                                  InstanceMethod<&P::Accumulate>("accumulate"),
                                  InstanceMethod<&P::Update>("update"),
                                  InstanceMethod<&P::ZeroGradients>("zeroGradients"),
                                  InstanceMethod<&P::SaveAdapter>("saveAdapter"),
                                  InstanceMethod<&P::SaveWeights>("saveWeights"),
                                  InstanceMethod<&P::SaveState>("saveState"),
                                  InstanceMethod<&P::LoadState>("loadState"),
                                  InstanceMethod<&P::ParameterNames>("parameterNames"),
                                  InstanceMethod<&P::Parameter>("parameter"),
                                  InstanceMethod<&P::SetParameter>("setParameter"),
                                  InstanceMethod<&P::Gradient>("gradient"),
                                  InstanceMethod<&P::Close>("close")});
}

NativePolicy::NativePolicy(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  if (!info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "[addon] a NativePolicy comes from load().");
  handle_ = *info[0].As<Napi::External<std::shared_ptr<EngineHandle>>>().Data();
}

Napi::Value NativePolicy::Load(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  JobSpec spec;
  spec.id = ReadJobId(info[1]);
  spec.on_progress = ReadCallback(info[2], "onProgress");
  return RunAsync(
      env, std::move(spec),
      [options = ReadLoadOptions(info[0])](const CallContext& context) { return Engine::Load(options, context); },
      [](Napi::Env e, std::unique_ptr<Engine>& engine) -> Napi::Value {
        auto handle = std::make_shared<EngineHandle>();
        handle->info = engine->info();
        handle->engine = std::move(engine);
        return e.GetInstanceData<AddonData>()->policy_class.New({Napi::External<std::shared_ptr<EngineHandle>>::New(
            e, new std::shared_ptr<EngineHandle>(std::move(handle)),
            [](Napi::Env, std::shared_ptr<EngineHandle>* pointer) { delete pointer; })});
      });
}

Napi::Value NativePolicy::Plan(const Napi::CallbackInfo& info) {
  JobSpec spec;
  spec.id = ReadJobId(info[2]);
  return RunAsync(
      info.Env(), std::move(spec),
      [options = ReadLoadOptions(info[0]), workload = ReadWorkload(info[1])](const CallContext&) {
        return Engine::Plan(options, workload);
      },
      [](Napi::Env env, PlanResult& result) -> Napi::Value { return ToJs(env, result); });
}

Engine& NativePolicy::IdleEngine(const char* what) const {
  if (handle_->closed) {
    throw Error(ErrorCode::kDisposed,
                Concat("[policy] ", what, " on a closed policy. Load it again with Policy.load()."));
  }
  if (handle_->running_job >= 0) {
    throw Error(ErrorCode::kBusy, Concat("[policy] ", what,
                                         " while another call runs on this policy. A policy does one call at a time: "
                                         "await the earlier promise first."));
  }
  return *handle_->engine;
}

template <typename Work>
Napi::Value NativePolicy::Run(const Napi::CallbackInfo& info, size_t first, const char* what, Work work) {
  using Result = std::invoke_result_t<Work, Engine&, const CallContext&>;
  Engine& engine = Guard(info.Env(), [&]() -> Engine& { return IdleEngine(what); });
  JobSpec spec;
  spec.id = ReadJobId(info[first]);
  spec.on_progress = ReadCallback(info[first + 1], "onProgress");
  handle_->running_job = spec.id;
  spec.ended = [handle = handle_] {
    handle->running_job = -1;
    if (handle->closed) handle->engine.reset();
  };
  // The job keeps the handle, and so the engine, alive when JavaScript drops the policy or closes it meanwhile.
  if constexpr (std::is_void_v<Result>) {
    spec.work = [handle = handle_, &engine, work = std::move(work)](const CallContext& context) {
      work(engine, context);
    };
    spec.convert = [](Napi::Env env) { return env.Undefined(); };
    return StartJob(info.Env(), std::move(spec));
  } else {
    return RunAsync(
        info.Env(), std::move(spec),
        [handle = handle_, &engine, work = std::move(work)](const CallContext& context) {
          return work(engine, context);
        },
        [handle = handle_](Napi::Env env, Result& result) -> Napi::Value {
          if constexpr (std::is_same_v<Result, ModelInfo>) handle->info = result;
          return ToJs(env, result);
        });
  }
}

Napi::Value NativePolicy::Info(const Napi::CallbackInfo& info) { return ToJs(info.Env(), handle_->info); }

Napi::Value NativePolicy::Memory(const Napi::CallbackInfo& info) {
  return Guard(info.Env(), [&] { return ToJs(info.Env(), IdleEngine("memory").memory()); });
}

void NativePolicy::StartTrace(const Napi::CallbackInfo& info) {
  Guard(info.Env(), [&] {
    const int64_t max_zones = ReadInteger(info[0], "maxZones");
    IdleEngine("startTrace").StartTrace(static_cast<size_t>(max_zones < 0 ? 0 : max_zones));
    return 0;
  });
}

Napi::Value NativePolicy::StopTrace(const Napi::CallbackInfo& info) {
  return Guard(info.Env(), [&] { return ToJs(info.Env(), IdleEngine("stopTrace").StopTrace()); });
}

Napi::Value NativePolicy::Reserve(const Napi::CallbackInfo& info) {
  return Run(info, 1, "reserve", [workload = ReadWorkload(info[0])](Engine& engine, const CallContext&) {
    return engine.Reserve(workload);
  });
}

Napi::Value NativePolicy::Generate(const Napi::CallbackInfo& info) {
  return Run(info, 1, "generate", [request = ReadGenerateRequest(info[0])](Engine& engine, const CallContext& context) {
    return engine.Generate(request, context);
  });
}

Napi::Value NativePolicy::Score(const Napi::CallbackInfo& info) {
  return Run(info, 1, "logprobs", [request = ReadScoreRequest(info[0])](Engine& engine, const CallContext& context) {
    return engine.Score(request, context);
  });
}

Napi::Value NativePolicy::ScoreChoices(const Napi::CallbackInfo& info) {
  return Run(info, 1, "scoreChoices",
             [request = ReadChoicesRequest(info[0])](Engine& engine, const CallContext& context) {
               return engine.ScoreChoices(request, context);
             });
}

Napi::Value NativePolicy::LoadAdapter(const Napi::CallbackInfo& info) {
  return Run(info, 1, "loadAdapter", [folder = ReadPathOrNull(info[0], "folder")](Engine& engine, const CallContext&) {
    engine.LoadAdapter(folder);
    return engine.info();
  });
}

Napi::Value NativePolicy::Accumulate(const Napi::CallbackInfo& info) {
  return Run(info, 1, "accumulate",
             [request = ReadAccumulateRequest(info[0])](Engine& engine, const CallContext& context) {
               return engine.Accumulate(request, context);
             });
}

Napi::Value NativePolicy::Update(const Napi::CallbackInfo& info) {
  return Run(info, 1, "update", [request = ReadUpdateRequest(info[0])](Engine& engine, const CallContext&) {
    return engine.Update(request);
  });
}

Napi::Value NativePolicy::ZeroGradients(const Napi::CallbackInfo& info) {
  return Run(info, 0, "zeroGradients", [](Engine& engine, const CallContext&) { engine.ZeroGradients(); });
}

Napi::Value NativePolicy::SaveAdapter(const Napi::CallbackInfo& info) {
  return Run(info, 2, "saveAdapter",
             [folder = ReadString(info[0], "folder"), base = ReadString(info[1], "baseModel")](
                 Engine& engine, const CallContext&) { engine.SaveAdapter(folder, base); });
}

Napi::Value NativePolicy::SaveWeights(const Napi::CallbackInfo& info) {
  return Run(info, 2, "saveWeights",
             [file = ReadString(info[0], "file"), dtype = ReadFloatType(info[1], "dtype")](
                 Engine& engine, const CallContext&) { engine.SaveWeights(file, dtype); });
}

Napi::Value NativePolicy::SaveState(const Napi::CallbackInfo& info) {
  return Run(info, 1, "saveState",
             [file = ReadString(info[0], "file")](Engine& engine, const CallContext&) { engine.SaveState(file); });
}

Napi::Value NativePolicy::LoadState(const Napi::CallbackInfo& info) {
  return Run(info, 1, "loadState",
             [file = ReadString(info[0], "file")](Engine& engine, const CallContext&) { engine.LoadState(file); });
}

Napi::Value NativePolicy::ParameterNames(const Napi::CallbackInfo& info) {
  return Run(info, 0, "parameterNames", [](Engine& engine, const CallContext&) { return engine.ParameterNames(); });
}

Napi::Value NativePolicy::Parameter(const Napi::CallbackInfo& info) {
  return Run(info, 1, "parameter", [name = ReadString(info[0], "name")](Engine& engine, const CallContext&) {
    return engine.ParameterValues(name);
  });
}

Napi::Value NativePolicy::SetParameter(const Napi::CallbackInfo& info) {
  return Run(info, 2, "setParameter",
             [name = ReadString(info[0], "name"), values = ReadDoubles(info[1], "values")](
                 Engine& engine, const CallContext&) { engine.SetParameter(name, values); });
}

Napi::Value NativePolicy::Gradient(const Napi::CallbackInfo& info) {
  return Run(info, 1, "gradient", [name = ReadString(info[0], "name")](Engine& engine, const CallContext&) {
    return engine.Gradient(name);
  });
}

Napi::Value NativePolicy::Close(const Napi::CallbackInfo& info) {
  handle_->closed = true;
  if (handle_->running_job >= 0) {
    info.Env().GetInstanceData<AddonData>()->jobs->Cancel(handle_->running_job);  // the job frees the engine as it ends
  } else {
    handle_->engine.reset();
  }
  return info.Env().Undefined();
}

}  // namespace rlvr::binding
