#include "train/group_batch.h"

#include <algorithm>

namespace rlvr {

namespace {

void Check(const std::vector<Group>& groups, const DecoderSpec& spec, const char* call) {
  auto bad = [&](const std::string& text) { throw Error(ErrorCode::kBadArgument, Concat("[", call, "] ", text)); };
  auto check_ids = [&](const std::vector<int32_t>& ids, const std::string& what) {
    if (ids.empty()) bad(what + " is empty; expected at least one token.");
    for (const int32_t id : ids) {
      if (id < 0 || id >= spec.vocab) bad(Concat(what, " has token ", id, "; ids are 0 to ", spec.vocab - 1, "."));
    }
  };
  for (size_t g = 0; g < groups.size(); ++g) {
    check_ids(groups[g].prompt, Concat("the prompt of group ", g));
    for (size_t c = 0; c < groups[g].completions.size(); ++c) {
      const std::vector<int32_t>& ids = groups[g].completions[c];
      check_ids(ids, Concat("completion ", c, " of group ", g));
      if (static_cast<int64_t>(groups[g].prompt.size() + ids.size()) > spec.context) {
        bad(Concat("completion ", c, " of group ", g, " ends at position ", groups[g].prompt.size() + ids.size(),
                   ", past the model's context of ", spec.context, "."));
      }
    }
  }
}

// Rows of a completion: its last token predicts nothing.
int64_t RowsOf(const std::vector<int32_t>& completion) { return static_cast<int64_t>(completion.size()) - 1; }

class Packer {
 public:
  Packer(std::vector<GroupBatch>& batches, const PromptWeights* prompt_weights)
      : batches_(batches), prompt_weights_(prompt_weights) {}

  // Adds a prompt and the completions [first, last) of a group to the last batch.
  void Add(const Group& group, int32_t g, size_t first, size_t last) {
    GroupBatch& b = batches_.back();
    const int32_t prompt_row = static_cast<int32_t>(b.spans.rows());
    const auto prompt_length = static_cast<int32_t>(group.prompt.size());
    const int32_t root = AddSpan(b, -1, 0, group.prompt, group.prompt.size());
    b.prompt_rows += prompt_length;
    if (first == 0 && prompt_weights_ && !prompt_weights_->empty()) {
      const std::vector<float>& weights = (*prompt_weights_)[static_cast<size_t>(g)];
      for (int32_t t = 1; t < prompt_length && t < static_cast<int32_t>(weights.size()); ++t) {
        if (weights[static_cast<size_t>(t)] != 0)
          Target(b, prompt_row + t - 1, group.prompt[static_cast<size_t>(t)], {g, -1, t});
      }
    }
    for (size_t c = first; c < last; ++c) {
      const std::vector<int32_t>& ids = group.completions[c];
      const auto completion = static_cast<int32_t>(c);
      Target(b, prompt_row + prompt_length - 1, ids[0], {g, completion, 0});
      const auto first_row = static_cast<int32_t>(b.spans.rows());
      if (ids.size() > 1) AddSpan(b, root, prompt_length, ids, ids.size() - 1);
      for (size_t t = 1; t < ids.size(); ++t) {
        Target(b, first_row + static_cast<int32_t>(t) - 1, ids[t], {g, completion, static_cast<int32_t>(t)});
      }
    }
  }

 private:
  static int32_t AddSpan(GroupBatch& b, int32_t parent, int32_t position, const std::vector<int32_t>& ids,
                         size_t rows) {
    std::vector<int32_t> pages(static_cast<size_t>(PagesFor(static_cast<int64_t>(rows))));
    for (int32_t& page : pages) page = static_cast<int32_t>(b.pages++);
    return b.spans.Add(parent, position, 0, std::span(ids).first(rows), pages);
  }
  static void Target(GroupBatch& b, int32_t row, int32_t target, TokenRef ref) {
    b.head_rows.push_back(row);
    b.targets.push_back(target);
    b.refs.push_back(ref);
  }

  std::vector<GroupBatch>& batches_;
  const PromptWeights* prompt_weights_;
};

}  // namespace

std::vector<GroupBatch> PackGroups(const std::vector<Group>& groups, const PromptWeights* prompt_weights,
                                   int64_t max_rows, const DecoderSpec& spec, const char* call) {
  Check(groups, spec, call);
  std::vector<GroupBatch> batches;
  Packer packer(batches, prompt_weights);
  for (size_t g = 0; g < groups.size(); ++g) {
    const Group& group = groups[g];
    const auto prompt_rows = static_cast<int64_t>(group.prompt.size());
    int64_t rows = prompt_rows;
    for (const std::vector<int32_t>& completion : group.completions) rows += RowsOf(completion);
    if (batches.empty() || batches.back().spans.rows() + rows > max_rows) {
      if (batches.empty() || batches.back().spans.rows() > 0) batches.emplace_back();
    }
    for (size_t first = 0; first < std::max<size_t>(group.completions.size(), 1);) {
      size_t last = first;
      int64_t taken = prompt_rows;
      while (last < group.completions.size() &&
             (last == first || taken + RowsOf(group.completions[last]) <= max_rows)) {
        taken += RowsOf(group.completions[last++]);
      }
      if (first > 0) batches.emplace_back();
      packer.Add(group, static_cast<int32_t>(g), first, last);
      first = std::max(last, first + 1);
    }
  }
  return batches;
}

}  // namespace rlvr
