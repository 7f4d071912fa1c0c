// The table of one instruction set. Included last.
namespace rlvr {
namespace RLVR_ISA_NAMESPACE {
namespace {

constexpr cpu::Kernels kTable = {
    RLVR_ISA_NAME,     kTileRows,
    RunProduct,        Embed,
    TransposeRows,     RmsNorm,
    RmsScales,         RmsNormBackward,
    RmsNormWeightGrad, Rope,
    Gated,             GatedBackward,
    Axpy,              Scale,
    AdamW,             AttentionScratchBytes,
    Attention,         AttentionBackwardQ,
    AttentionBackwardKv,
    HeadSum,           HeadSoftmax,
    HeadRow,
};

}  // namespace
}  // namespace RLVR_ISA_NAMESPACE
}  // namespace rlvr
