#include "model/prefix_tree.h"

#include "core/error.h"

namespace rlvr {

PrefixTree::PrefixTree(const std::vector<Prefix>& prefixes, const DecoderSpec& spec, const char* call)
    : prefixes_(&prefixes), call_(call) {
  auto bad = [&](const std::string& text) { throw Error(ErrorCode::kBadArgument, Concat("[", call, "] ", text)); };
  for (size_t i = 0; i < prefixes.size(); ++i) {
    const Prefix& prefix = prefixes[i];
    if (prefix.ids.empty()) bad(Concat("prefix ", i, " is empty; expected at least one token."));
    for (const int32_t id : prefix.ids) {
      if (id < 0 || id >= spec.vocab) {
        bad(Concat("prefix ", i, " has token ", id, "; ids are 0 to ", spec.vocab - 1, "."));
      }
    }
    if (prefix.parent < -1 || prefix.parent >= static_cast<int64_t>(i)) {
      bad(Concat("prefix ", i, " has parent ", prefix.parent, "; expected an earlier prefix, 0 to ",
                 static_cast<int64_t>(i) - 1, ", or none."));
    }
    ends_.push_back(End(prefix.parent) + static_cast<int64_t>(prefix.ids.size()));
    if (ends_.back() >= spec.context) {
      bad(Concat("prefix ", i, " ends at position ", ends_.back(), ", which leaves no room in the model's context of ",
                 spec.context, ". Use fewer examples."));
    }
  }
}

void PrefixTree::CheckIndex(int32_t prefix, const std::string& what) const {
  if (prefix >= -1 && prefix < count()) return;
  throw Error(ErrorCode::kBadArgument, Concat("[", call_, "] ", what, " continues prefix ", prefix,
                                              ", but the request has ", count(), " prefixes."));
}

PrefixPages::PrefixPages(const PrefixTree& tree, PageList& list)
    : tree_(tree), list_(list), entries_(static_cast<size_t>(tree.count())) {}

void PrefixPages::Announce(int32_t prefix) {
  if (prefix < 0) return;
  ++At(prefix).users;
  if (At(prefix).announced) return;
  At(prefix).announced = true;
  Announce(tree_.parent(prefix));
}

int64_t PrefixPages::OwnPages(int32_t prefix, int64_t tokens) const {
  const int64_t before = tree_.End(prefix);
  return PagesFor(before + tokens) - before / kKvBlock;
}

int64_t PrefixPages::PagesToLoad(int32_t prefix) const {
  if (prefix < 0 || At(prefix).resident) return 0;
  return PagesToLoad(tree_.parent(prefix)) +
         OwnPages(tree_.parent(prefix), static_cast<int64_t>(tree_.ids(prefix).size()));
}

void PrefixPages::Load(int32_t prefix, const std::function<void(int32_t, const PageTable&)>& compute) {
  if (prefix < 0 || At(prefix).resident) return;
  Load(tree_.parent(prefix), compute);
  Entry& entry = At(prefix);
  entry.table = Extend(tree_.parent(prefix), static_cast<int64_t>(tree_.ids(prefix).size()));
  entry.resident = true;
  compute(prefix, entry.table);
}

PageTable PrefixPages::Extend(int32_t prefix, int64_t tokens) {
  const int64_t before = tree_.End(prefix);
  PageTable table;
  table.shared = before / kKvBlock;
  std::vector<int32_t> own = list_.Take(OwnPages(prefix, tokens));
  if (prefix >= 0) {
    const std::vector<int32_t>& pages = At(prefix).table.pages;
    if (before % kKvBlock != 0) table.copy = PageCopy{pages[static_cast<size_t>(table.shared)], own.front()};
    table.pages.assign(pages.begin(), pages.begin() + table.shared);
  }
  table.pages.insert(table.pages.end(), own.begin(), own.end());
  return table;
}

void PrefixPages::Return(PageTable& table) {
  list_.Return(std::span(table.pages).subspan(static_cast<size_t>(table.shared)));
  table = {};
}

void PrefixPages::Release(int32_t prefix) {
  if (prefix < 0 || --At(prefix).users > 0) return;
  if (At(prefix).resident) Return(At(prefix).table);
  At(prefix).resident = false;
  Release(tree_.parent(prefix));
}

}  // namespace rlvr
