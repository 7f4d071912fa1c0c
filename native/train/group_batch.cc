#include "train/group_batch.h"

#include <algorithm>

namespace rlvr {

namespace {

void Check(const std::vector<Group>& groups, const PrefixTree& prefixes, const DecoderSpec& spec, const char* call) {
  auto bad = [&](const std::string& text) { throw Error(ErrorCode::kBadArgument, Concat("[", call, "] ", text)); };
  auto check_ids = [&](const std::vector<int32_t>& ids, const std::string& what) {
    if (ids.empty()) bad(what + " is empty; expected at least one token.");
    for (const int32_t id : ids) {
      if (id < 0 || id >= spec.vocab) bad(Concat(what, " has token ", id, "; ids are 0 to ", spec.vocab - 1, "."));
    }
  };
  for (size_t g = 0; g < groups.size(); ++g) {
    check_ids(groups[g].prompt, Concat("the prompt of group ", g));
    prefixes.CheckIndex(groups[g].prefix, Concat("the prompt of group ", g));
    const int64_t prompt_end = prefixes.End(groups[g].prefix) + static_cast<int64_t>(groups[g].prompt.size());
    if (prompt_end > spec.context) {
      bad(Concat("the prompt of group ", g, " ends at position ", prompt_end, ", past the model's context of ",
                 spec.context, "."));
    }
    for (size_t c = 0; c < groups[g].completions.size(); ++c) {
      const std::vector<int32_t>& ids = groups[g].completions[c];
      check_ids(ids, Concat("completion ", c, " of group ", g));
      const int64_t end = prompt_end + static_cast<int64_t>(ids.size());
      if (end > spec.context) {
        bad(Concat("completion ", c, " of group ", g, " ends at position ", end, ", past the model's context of ",
                   spec.context, "."));
      }
    }
  }
}

// Rows of a completion: its last token predicts nothing.
int64_t RowsOf(const std::vector<int32_t>& completion) { return static_cast<int64_t>(completion.size()) - 1; }

class Packer {
 public:
  Packer(const std::vector<Group>& groups, const PrefixTree& prefixes, const PromptWeights* prompt_weights,
         int64_t max_rows)
      : groups_(groups),
        prefixes_(prefixes),
        prompt_weights_(prompt_weights),
        max_rows_(max_rows),
        shared_(prefixes, list_) {
    for (const Group& group : groups) shared_.Announce(group.prefix);
  }

  std::vector<GroupBatch> Pack() {
    for (size_t g = 0; g < groups_.size(); ++g) PackGroup(g);
    Close();
    return std::move(batches_);
  }

 private:
  void PackGroup(size_t g) {
    const Group& group = groups_[g];
    const auto prompt_rows = static_cast<int64_t>(group.prompt.size());
    const size_t completions = group.completions.size();
    int64_t rows = prompt_rows;
    for (const std::vector<int32_t>& completion : group.completions) rows += RowsOf(completion);
    if (batch_.spans.rows() + rows > max_rows_) Close();
    shared_.Load(group.prefix, [this](int32_t prefix, const PageTable& table) { AddPrefix(prefix, table); });
    for (size_t first = 0; first < std::max<size_t>(completions, 1);) {
      size_t last = first;
      int64_t taken = prompt_rows;
      while (last < completions && (last == first || taken + RowsOf(group.completions[last]) <= max_rows_)) {
        taken += RowsOf(group.completions[last++]);
      }
      if (first > 0) Close();
      Add(group, static_cast<int32_t>(g), first, last);
      first = std::max(last, first + 1);
    }
    ended_.push_back(group.prefix);
    ++batch_.groups_done;
  }

  // Batches of a prefix alone. They go before the open batch, whose pages are others.
  void AddPrefix(int32_t prefix, const PageTable& table) {
    const std::span<const int32_t> ids(prefixes_.ids(prefix));
    const int64_t before = prefixes_.End(prefixes_.parent(prefix));
    for (size_t from = 0; from < ids.size(); from += static_cast<size_t>(max_rows_)) {
      const size_t take = std::min(static_cast<size_t>(max_rows_), ids.size() - from);
      GroupBatch b;
      b.spans.Add(-1, 0, static_cast<int32_t>(before) + static_cast<int32_t>(from), ids.subspan(from, take),
                  table.pages);
      if (from == 0 && table.copy) b.copies.push_back(*table.copy);
      b.prompt_rows = static_cast<int64_t>(take);
      b.pages = list_.most();
      batches_.push_back(std::move(b));
    }
  }

  // Adds a prompt and the completions [first, last) of a group to the open batch.
  void Add(const Group& group, int32_t g, size_t first, size_t last) {
    GroupBatch& b = batch_;
    const int32_t prompt_row = static_cast<int32_t>(b.spans.rows());
    const auto prompt_length = static_cast<int32_t>(group.prompt.size());
    const auto before = static_cast<int32_t>(prefixes_.End(group.prefix));
    const int32_t root = AddSpan(-1, 0, group.prefix, group.prompt, group.prompt.size());
    b.prompt_rows += prompt_length;
    if (first == 0 && prompt_weights_ && !prompt_weights_->empty()) {
      const std::vector<float>& weights = (*prompt_weights_)[static_cast<size_t>(g)];
      for (int32_t t = 1; t < prompt_length && t < static_cast<int32_t>(weights.size()); ++t) {
        if (weights[static_cast<size_t>(t)] != 0)
          Target(prompt_row + t - 1, group.prompt[static_cast<size_t>(t)], {g, -1, t});
      }
    }
    for (size_t c = first; c < last; ++c) {
      const std::vector<int32_t>& ids = group.completions[c];
      const auto completion = static_cast<int32_t>(c);
      Target(prompt_row + prompt_length - 1, ids[0], {g, completion, 0});
      const auto first_row = static_cast<int32_t>(b.spans.rows());
      if (ids.size() > 1) AddSpan(root, before + prompt_length, -1, ids, ids.size() - 1);
      for (size_t t = 1; t < ids.size(); ++t) {
        Target(first_row + static_cast<int32_t>(t) - 1, ids[t], {g, completion, static_cast<int32_t>(t)});
      }
    }
  }

  int32_t AddSpan(int32_t parent, int32_t position, int32_t prefix, const std::vector<int32_t>& ids, size_t rows) {
    const PageTable& table = tables_.emplace_back(shared_.Extend(prefix, static_cast<int64_t>(rows)));
    if (table.copy) batch_.copies.push_back(*table.copy);
    return batch_.spans.Add(parent, position, static_cast<int32_t>(prefixes_.End(prefix)), std::span(ids).first(rows),
                            table.pages);
  }
  void Target(int32_t row, int32_t target, TokenRef ref) {
    batch_.head_rows.push_back(row);
    batch_.targets.push_back(target);
    batch_.refs.push_back(ref);
  }

  // Ends the open batch: its pages, and those of prefixes that nothing continues any more, are free for the next.
  void Close() {
    if (batch_.spans.rows() == 0) return;
    batch_.pages = list_.most();
    batches_.push_back(std::move(batch_));
    batch_ = {};
    for (PageTable& table : tables_) shared_.Return(table);
    tables_.clear();
    for (const int32_t prefix : ended_) shared_.Release(prefix);
    ended_.clear();
  }

  const std::vector<Group>& groups_;
  const PrefixTree& prefixes_;
  const PromptWeights* prompt_weights_;
  int64_t max_rows_;
  PageList list_;
  PrefixPages shared_;
  std::vector<GroupBatch> batches_;
  GroupBatch batch_;               // open
  std::vector<PageTable> tables_;  // of its spans
  std::vector<int32_t> ended_;     // prefixes of the groups that end in it
};

}  // namespace

std::vector<GroupBatch> PackGroups(const std::vector<Group>& groups, const std::vector<Prefix>& prefixes,
                                   const PromptWeights* prompt_weights, int64_t max_rows, const DecoderSpec& spec,
                                   const char* call) {
  const PrefixTree tree(prefixes, spec, call);
  Check(groups, tree, spec, call);
  return Packer(groups, tree, prompt_weights, max_rows).Pack();
}

}  // namespace rlvr
