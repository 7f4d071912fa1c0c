// The table of one instruction set. Included last.
namespace rlvr {
namespace RLVR_ISA_NAMESPACE {
namespace {

constexpr cpu::Kernels kTable = {
    .name = RLVR_ISA_NAME,
    .tile_rows = kTileRows,
    .product = RunProduct,
    .few_rows = RunFewRows,
    .embed = Embed,
    .transpose = TransposeRows,
    .rms_norm = RmsNorm,
    .rms_scales = RmsScales,
    .rms_norm_backward = RmsNormBackward,
    .rms_norm_dweight = RmsNormWeightGrad,
    .rope = Rope,
    .gated = Gated,
    .gated_backward = GatedBackward,
    .axpy = Axpy,
    .scale = Scale,
    .adamw = AdamW,
    .attention_scratch = AttentionScratchBytes,
    .attention = Attention,
    .attention_backward = AttentionBackward,
    .head_sum = HeadSum,
    .head_softmax = HeadSoftmax,
    .head_select = HeadSelect,
    .head_row = HeadRow,
};

}  // namespace
}  // namespace RLVR_ISA_NAMESPACE
}  // namespace rlvr
