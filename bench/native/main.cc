// Times every op at every shape on the cpu backend and prints one JSON object:
//   rlvr_bench [--isa NAME] [--threads 1,2] [--filter TEXT] [--budget SECONDS]
// A filter is a part of a case's name, such as "linear", "Gemma-3-270m" or "512x576x1536". Figures are taken from the
// fastest run; roof_share is the time that the measured roof allows divided by the time taken.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "backends/backend.h"
#include "bench/native/roof.h"
#include "bench/native/shapes.h"
#include "io/json.h"
#include "op_cases/all.h"
#include "ops/observed_ops.h"

namespace rlvr::bench {
namespace {

struct Options {
  std::string isa;
  std::vector<int> threads = {1, 2};
  std::string filter;
  double budget = 0.03;  // seconds for each op of each case
};

constexpr WorkspaceLimits kLimits = {.max_rows = 1024,
                                     .max_in = 16384,
                                     .max_out = 16384,
                                     .vocab = 262144,
                                     .dim = 4096,
                                     .max_head_rows = 512,
                                     .max_rank = 64,
                                     .head_dim = 256,
                                     .heads = 32};

std::string ShapeOf(const OpCall& call) {
  std::string text;
  for (int64_t size : call.shape) {
    if (size > 0 || text.empty()) text += (text.empty() ? "" : "x") + std::to_string(size);
  }
  return text;
}

// Times each call it is shown; calls of one case with one name and shape are one entry.
class Timer : public OpObserver {
 public:
  Timer(const Options& options, const Roof& roof, std::vector<Json>& results)
      : options_(options), roof_(roof), results_(results) {}
  void Begin(const std::string& name, const char* isa) {
    case_ = name;
    isa_ = isa;
    seen_.clear();
  }
  void Observe(const OpCall& call, const OpBody& body) override {
    const std::string shape = ShapeOf(call), dtype = Info(call.dtype).name;
    const std::string key = std::string(call.name) + " " + shape + " " + dtype;
    const bool again = std::find(seen_.begin(), seen_.end(), key) != seen_.end();
    if (call.rows() == 0 || again) return body();
    seen_.push_back(key);
    const Times times = TimeRuns(options_.budget, [&] { body(); });
    results_.push_back(Json::Object({{"op", Json::String(call.name)},
                                     {"shape", Json::String(shape)},
                                     {"dtype", Json::String(dtype)},
                                     {"threads", Json::Integer(roof_.threads)},
                                     {"isa", Json::String(isa_)},
                                     {"case", Json::String(case_)},
                                     {"flops", Json::Number(call.flops)},
                                     {"bytes", Json::Number(call.bytes)},
                                     {"seconds_min", Json::Number(times.min)},
                                     {"seconds_median", Json::Number(times.median)},
                                     {"gflops", Json::Number(call.flops / times.min / 1e9)},
                                     {"gbps", Json::Number(call.bytes / times.min / 1e9)},
                                     {"roof_share", Json::Number(roof_.Seconds(call.flops, call.bytes) / times.min)}}));
  }

 private:
  const Options& options_;
  const Roof& roof_;
  std::vector<Json>& results_;
  std::string case_, isa_;
  std::vector<std::string> seen_;
};

// The shared list of the tests and the shapes of models, each built for the backend and run once under the timer.
void RunCases(const Options& options, const Roof& roof, std::vector<Json>& results) {
  ThreadPool pool(roof.threads);
  Timer timer(options, roof, results);
  ObservedOps ops(CreateBackend("cpu", pool), &timer);
  const test::Memory workspace(ops.WorkspaceBytes(kLimits));
  ops.SetWorkspace(kLimits, workspace.data(), workspace.bytes());
  const auto wanted = [&](const std::string& name) { return name.find(options.filter) != std::string::npos; };
  for (const BenchCase& entry : ShapeCases()) {
    if (!wanted(entry.name)) continue;
    timer.Begin(entry.name, ops.isa());
    entry.run(ops);
  }
  for (const auto& [op, cases] : test::AllCases()) {
    for (const test::CaseEntry& entry : cases) {
      if (!wanted(entry.name)) continue;
      timer.Begin(entry.name, ops.isa());
      entry.make(ops)->Run(ops);
    }
  }
}

Json TimesJson(const Times& times) {
  return Json::Object({{"seconds_min", Json::Number(times.min)}, {"seconds_median", Json::Number(times.median)}});
}

Options ParseOptions(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const bool has_value = i + 1 < argc;
    if (has_value && std::strcmp(argv[i], "--isa") == 0) {
      options.isa = argv[++i];
    } else if (has_value && std::strcmp(argv[i], "--filter") == 0) {
      options.filter = argv[++i];
    } else if (has_value && std::strcmp(argv[i], "--budget") == 0) {
      options.budget = std::atof(argv[++i]);
    } else if (has_value && std::strcmp(argv[i], "--threads") == 0) {
      options.threads.clear();
      for (const char* text = argv[++i]; text != nullptr; text = std::strchr(text, ',')) {
        if (*text == ',') ++text;
        options.threads.push_back(std::atoi(text));
        RLVR_CHECK(options.threads.back() > 0, "--threads takes counts such as 1,2");
      }
    } else {
      throw Error(ErrorCode::kBadArgument,
                  Concat("usage: ", argv[0], " [--isa NAME] [--threads 1,2] [--filter TEXT] [--budget SECONDS]"));
    }
  }
  if (options.isa.empty()) options.isa = CpuIsas().back();
  return options;
}

void Main(int argc, char** argv) {
  const Options options = ParseOptions(argc, argv);
  setenv("RLVR_CPU_ISA", options.isa.c_str(), 1);  // refused with the names that there are, when it is none of them
  std::vector<Json> results;
  std::vector<Json::Member> flops, reads, regions;
  for (int threads : options.threads) {
    const Roof roof = MeasureRoof(options.isa, threads);
    const std::string key = std::to_string(threads);
    flops.emplace_back(key, Json::Number(roof.flops_per_second / 1e9));
    std::vector<Json> rates;
    for (const ReadRate& rate : roof.reads) {
      rates.push_back(
          Json::Object({{"bytes", Json::Number(rate.bytes)}, {"gbps", Json::Number(rate.bytes_per_second / 1e9)}}));
    }
    reads.emplace_back(key, Json::Array(std::move(rates)));
    regions.emplace_back(key,
                         Json::Object({{"hot", TimesJson(roof.region_hot)}, {"cold", TimesJson(roof.region_cold)}}));
    RunCases(options, roof, results);
  }
  const Json report = Json::Object({{"benchmark", Json::String("ops")},
                                    {"isa", Json::String(options.isa)},
                                    {"cpu_seconds", Json::Number(static_cast<double>(std::clock()) / CLOCKS_PER_SEC)},
                                    {"peak", Json::Object({{"fma_gflops", Json::Object(std::move(flops))},
                                                           {"read_gbps", Json::Object(std::move(reads))}})},
                                    {"regions", Json::Object(std::move(regions))},
                                    {"cases", Json::Array(std::move(results))}});
  std::printf("%s\n", report.Dump().c_str());
}

}  // namespace
}  // namespace rlvr::bench

int main(int argc, char** argv) {
  try {
    rlvr::bench::Main(argc, argv);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
