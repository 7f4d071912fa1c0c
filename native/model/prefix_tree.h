// Headers that prompts continue, such as the few-shot examples of a benchmark subject: each is computed once, and its
// keys are shared by all that continue it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "model/decoder_spec.h"
#include "model/page_list.h"

namespace rlvr {

struct Prefix {
  std::vector<int32_t> ids;
  int32_t parent = -1;  // an earlier prefix that this one continues; -1: none
};

// The prefixes of a call, checked. A prefix is named by its index; -1 stands for none.
class PrefixTree {
 public:
  // Throws RLVR_BAD_ARGUMENT that names `call`: no ids, an id outside the vocabulary, a parent that does not come first
  // (so cycles cannot be written), a path past the context.
  PrefixTree(const std::vector<Prefix>& prefixes, const DecoderSpec& spec, const char* call);
  // The same error for an index that is neither -1 nor a prefix; `what` has it.
  void CheckIndex(int32_t prefix, const std::string& what) const;

  int64_t count() const { return static_cast<int64_t>(prefixes_->size()); }
  const std::vector<int32_t>& ids(int32_t prefix) const { return (*prefixes_)[static_cast<size_t>(prefix)].ids; }
  int32_t parent(int32_t prefix) const { return (*prefixes_)[static_cast<size_t>(prefix)].parent; }
  // Tokens from the root to the end of this prefix, which is the position of what continues it.
  int64_t End(int32_t prefix) const { return prefix < 0 ? 0 : ends_[static_cast<size_t>(prefix)]; }

 private:
  const std::vector<Prefix>* prefixes_;
  const char* call_;
  std::vector<int64_t> ends_;
};

// The pages of a text that continues a prefix: the prefix's full pages, shared, then pages of its own. Keys of the
// prefix in a page that is not full are copied into the first own page. Blocks therefore lie, and sums run, as if the
// prefix were written out in front of the text.
struct PageTable {
  std::vector<int32_t> pages;
  int64_t shared = 0;            // pages that belong to the prefix
  std::optional<PageCopy> copy;  // to be done once the prefix is computed, before this text is
};

// Which prefixes of a call are resident, and on which pages.
class PrefixPages {
 public:
  PrefixPages(const PrefixTree& tree, PageList& list);
  // Every text that continues a prefix is announced before anything is computed, so that the last one frees the pages.
  void Announce(int32_t prefix);

  int64_t OwnPages(int32_t prefix, int64_t tokens) const;
  // Pages that Load(prefix) will take.
  int64_t PagesToLoad(int32_t prefix) const;
  // Makes the whole path resident: compute(prefix, table) for each that is not, parents first.
  void Load(int32_t prefix, const std::function<void(int32_t, const PageTable&)>& compute);
  // Pages for `tokens` more tokens behind a resident prefix.
  PageTable Extend(int32_t prefix, int64_t tokens);
  // A text's own pages go back.
  void Return(PageTable& table);
  // A text that was announced has ended.
  void Release(int32_t prefix);

 private:
  struct Entry {
    PageTable table;
    int64_t users = 0;  // texts and prefixes that continue it and have not ended
    bool announced = false, resident = false;
  };
  Entry& At(int32_t prefix) { return entries_[static_cast<size_t>(prefix)]; }
  const Entry& At(int32_t prefix) const { return entries_[static_cast<size_t>(prefix)]; }

  const PrefixTree& tree_;
  PageList& list_;
  std::vector<Entry> entries_;
};

}  // namespace rlvr
