#include "train/train_state.h"

#include <algorithm>
#include <charconv>

#include "io/safetensors.h"

namespace rlvr {

namespace {
struct Plane {
  const char* prefix;
  Tensor Parameter::*tensor;
};
constexpr Plane kPlanes[] = {
    {"value/", &Parameter::value}, {"gradient/", &Parameter::gradient}, {"m/", &Parameter::m}, {"v/", &Parameter::v}};
constexpr size_t kPieceBytes = size_t{1} << 20;  // a write each: rows of a LoRA matrix are 64 bytes
constexpr const char* kStep = "rlvr.optimizer_step";
}  // namespace

void WriteTrainState(const std::string& file, const Model& model, int64_t step) {
  std::vector<SafetensorsEntry> entries;
  for (size_t i = 0; i < model.parameters().count(); ++i) {
    const Parameter& p = model.parameters().at(i);
    for (const Plane& plane : kPlanes) {
      SafetensorsEntry entry;
      entry.name = plane.prefix + p.name;
      entry.dtype = p.value.dtype();
      entry.shape = {p.rows, p.cols};
      const Tensor tensor = p.*plane.tensor;
      entry.produce = [&model, tensor](const std::function<void(const void*, size_t)>& write) {
        const size_t bytes = BytesOf(tensor.dtype(), tensor.size());
        std::vector<std::byte> piece(std::min(bytes, kPieceBytes));
        for (size_t from = 0; from < bytes; from += piece.size()) {
          const size_t count = std::min(piece.size(), bytes - from);
          model.device().Download(static_cast<const std::byte*>(tensor.data()) + from, piece.data(), count);
          write(piece.data(), count);
        }
      };
      entries.push_back(std::move(entry));
    }
  }
  WriteSafetensors(file, entries, {{kStep, std::to_string(step)}});
}

int64_t ReadTrainState(const std::string& file, const Model& model) {
  const auto source = Safetensors::Open(file);
  auto bad = [&](const std::string& text) {
    return Error(ErrorCode::kBadState, Concat("[state] ", file, ": ", text,
                                              " Resume with the model and the LoRA settings "
                                              "that the run was started with."));
  };
  const ParameterStore& parameters = model.parameters();
  if (source->Names().size() != parameters.count() * std::size(kPlanes)) {
    throw bad(Concat("it holds ", source->Names().size() / std::size(kPlanes), " trained matrices, this run trains ",
                     parameters.count(), "."));
  }
  int64_t step = -1;
  for (const auto& [key, value] : source->metadata()) {
    if (key == kStep) std::from_chars(value.data(), value.data() + value.size(), step);
  }
  if (step < 0) throw bad("it has no optimizer step.");
  std::vector<std::pair<const SourceTensor*, Tensor>> copies;
  for (size_t i = 0; i < parameters.count(); ++i) {
    const Parameter& p = parameters.at(i);
    for (const Plane& plane : kPlanes) {
      const SourceTensor* tensor = source->Find(plane.prefix + p.name);
      const Tensor& to = p.*plane.tensor;
      if (!tensor) throw bad(Concat("tensor \"", plane.prefix, p.name, "\" is missing."));
      if (tensor->dtype != to.dtype() || tensor->shape != std::vector<int64_t>{p.rows, p.cols}) {
        throw bad(Concat("tensor \"", plane.prefix, p.name, "\" is not ", Info(to.dtype()).name, " [", p.rows, ", ",
                         p.cols, "]."));
      }
      copies.emplace_back(tensor, to);
    }
  }
  for (const auto& [from, to] : copies) {
    model.device().Upload(from->data, static_cast<std::byte*>(to.data()), from->bytes);
  }
  return step;
}

}  // namespace rlvr
