// GatherRows, its backward, EmbedBackward and SumRows of the emulated card.
#include "cuda_matrix.h"

namespace rlvr::test {

namespace {

struct RowsShape {
  int64_t rows;  // of the matrix that is gathered from
  int64_t cols;
  std::vector<int32_t> picked;
  Placement place = {};
};

const std::vector<RowsShape> kShapes = {
    {1, 48, {0, 0, 0}},      {4, 48, {}},          {7, 37, {6, 0, 3, 6, 6}}, {9, 40, {8, 1, 1, 0, 8, 4, 1}, {24}},
    {9, 33, {5, 5}, {5, 1}}, {3, 4100, {2, 0, 2}},
};

void Fill(DeviceMatrix& rows, const std::vector<int32_t>& picked) {
  for (size_t i = 0; i < picked.size(); ++i) rows.Set(0, static_cast<int64_t>(i), picked[i]);
}

// The element of `to` after the picked rows of `from` were added to it in order, each sum rounded to F32.
float Added(const DeviceMatrix& from, const std::vector<int32_t>& picked, float scale, const DeviceMatrix& to,
            int64_t row, int64_t col) {
  auto sum = static_cast<float>(to.Before(row, col));
  for (size_t i = 0; i < picked.size(); ++i) {
    if (picked[i] != row) continue;
    sum = std::fmaf(scale, static_cast<float>(from.Before(static_cast<int64_t>(i), col)), sum);
  }
  return sum;
}

}  // namespace

TEST("cuda: GatherRows copies rows, of both types") {
  for (DType type : {DType::kBF16, DType::kF32}) {
    for (const RowsShape& s : kShapes) {
      const auto count = static_cast<int64_t>(s.picked.size());
      DeviceMatrix x(type, s.rows, s.cols, s.place), rows(DType::kI32, 1, count), y(type, count, s.cols, s.place);
      x.Random(1), Fill(rows, s.picked);
      InEachOrder({&x, &rows, &y}, [&] { Card().GatherRows(x.view(), rows.view(), y.view()); });
      int64_t differing = 0;
      for (int64_t r = 0; r < count; ++r) {
        for (int64_t c = 0; c < s.cols; ++c) {
          differing += y.After(r, c) != x.Before(s.picked[static_cast<size_t>(r)], c);
        }
      }
      EXPECT_EQ(differing, 0);
    }
  }
}

TEST("cuda: GatherRowsBackward adds rows that meet in order and rounds once") {
  for (const RowsShape& s : kShapes) {
    const auto count = static_cast<int64_t>(s.picked.size());
    DeviceMatrix dy(DType::kBF16, count, s.cols, s.place), rows(DType::kI32, 1, count);
    DeviceMatrix dx(DType::kBF16, s.rows, s.cols, s.place);
    dy.Random(2), Fill(rows, s.picked), dx.Random(3);
    InEachOrder({&dy, &rows, &dx}, [&] { Card().GatherRowsBackward(dy.view(), rows.view(), dx.view()); });
    int64_t differing = 0;
    for (int64_t r = 0; r < s.rows; ++r) {
      for (int64_t c = 0; c < s.cols; ++c) {
        differing += dx.After(r, c) != Bf16ToF32(F32ToBf16(Added(dy, s.picked, 1, dx, r, c)));
      }
    }
    EXPECT_EQ(differing, 0);
  }
}

TEST("cuda: EmbedBackward adds the scaled rows of each token in order, in F32") {
  for (const RowsShape& s : kShapes) {
    const auto count = static_cast<int64_t>(s.picked.size());
    DeviceMatrix dy(DType::kBF16, count, s.cols, s.place), ids(DType::kI32, 1, count);
    DeviceMatrix dw(DType::kF32, s.rows, s.cols);
    dy.Random(4), Fill(ids, s.picked), dw.Random(5);
    InEachOrder({&dy, &ids, &dw}, [&] { Card().EmbedBackward(ids.view(), 25.3, dy.view(), dw.view()); });
    int64_t differing = 0;
    for (int64_t r = 0; r < s.rows; ++r) {
      for (int64_t c = 0; c < s.cols; ++c) differing += dw.After(r, c) != Added(dy, s.picked, 25.3f, dw, r, c);
    }
    EXPECT_EQ(differing, 0);
  }
}

TEST("cuda: repeats are found across the tiles of many rows, and the order of addition matters") {
  // 600 places are three tiles of comparisons. The middle one of row 1 cancels the first, so that any other order than
  // 2^30, -2^30, 1 loses the 1.
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 600; ++i) ids.push_back(2 + i % 5);
  ids[10] = ids[300] = ids[599] = 1;
  DeviceMatrix dy(DType::kBF16, 600, 8), rows(DType::kI32, 1, 600), dw(DType::kF32, 8, 8);
  dy.Random(6), Fill(rows, ids), dw.Fill(0);
  for (int64_t c = 0; c < 8; ++c) dy.Set(10, c, 0x1p30), dy.Set(300, c, -0x1p30), dy.Set(599, c, 1);
  InEachOrder({&dy, &rows, &dw}, [&] { Card().EmbedBackward(rows.view(), 1, dy.view(), dw.view()); });
  int64_t differing = 0;
  for (int64_t r = 0; r < 8; ++r) {
    for (int64_t c = 0; c < 8; ++c) differing += dw.After(r, c) != Added(dy, ids, 1, dw, r, c);
  }
  EXPECT_EQ(differing, 0);
  EXPECT_EQ(dw.After(1, 0), 1.0);
}

TEST("cuda: SumRows is one chain of F32 additions in row order for each column") {
  struct Sum {
    int64_t rows, cols;
    Placement place;
  };
  for (const Sum& s :
       std::vector<Sum>{{1, 1, {}}, {64, 64, {}}, {65, 130, {6}}, {200, 37, {}}, {70, 66, {3, 1}}, {0, 16, {}}}) {
    DeviceMatrix dy(DType::kBF16, s.rows, s.cols, s.place), db(DType::kF32, 1, s.cols);
    dy.Random(7, 100), db.Random(8);
    InEachOrder({&dy, &db}, [&] { Card().SumRows(dy.view(), db.view()); });
    int64_t differing = 0;
    for (int64_t c = 0; c < s.cols; ++c) {
      auto sum = static_cast<float>(db.Before(0, c));
      for (int64_t r = 0; r < s.rows; ++r) sum += static_cast<float>(dy.Before(r, c));
      differing += db.After(0, c) != sum;
    }
    EXPECT_EQ(differing, 0);
  }
}

TEST("cuda: rows are moved once, with a few bytes of indices") {
  DeviceMatrix x(DType::kBF16, 16, 3840), rows(DType::kI32, 1, 8), y(DType::kBF16, 8, 3840), db(DType::kF32, 1, 3840);
  x.Random(9), Fill(rows, {1, 3, 3, 0, 15, 3, 2, 9}), y.Random(10), db.Fill(0);
  const double row = 3840 * 2;
  EXPECT_LE(static_cast<double>(
                GlobalBytes({&x, &rows}, "GatherRows", [&] { Card().GatherRows(x.view(), rows.view(), y.view()); })),
            1.1 * 16 * row);
  // Six different rows of dx are read and written, and eight of dy read.
  EXPECT_LE(static_cast<double>(GlobalBytes({&x, &rows, &y}, "GatherRowsBackward",
                                            [&] { Card().GatherRowsBackward(y.view(), rows.view(), x.view()); })),
            1.1 * (6 * 2 + 8) * row);
  EXPECT_EQ(GlobalBytes({&y, &db}, "SumRows", [&] { Card().SumRows(y.view(), db.view()); }),
            static_cast<uint64_t>(8 * row + 2 * 4 * 3840));
}

TEST("cuda: more rows than the workspace was made for are refused") {
  DeviceMatrix dy(DType::kBF16, 641, 8), rows(DType::kI32, 1, 641), dx(DType::kBF16, 8, 8);
  rows.Fill(0);
  EXPECT_THROW_CODE(Card().GatherRowsBackward(dy.view(), rows.view(), dx.view()), ErrorCode::kInternal,
                    "641 rows, reserved for 640");
}

}  // namespace rlvr::test
