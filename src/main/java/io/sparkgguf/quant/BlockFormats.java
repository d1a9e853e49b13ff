package io.sparkgguf.quant;

import io.sparkgguf.kernel.AffineRounding;
import io.sparkgguf.kernel.Finite;
import io.sparkgguf.kernel.Fp4Rounding;
import io.sparkgguf.kernel.Halves;
import io.sparkgguf.kernel.LegacyImportanceEncoder;
import io.sparkgguf.kernel.Q8Rounding;
import io.sparkgguf.kernel.Scalars;
import io.sparkgguf.kernel.SignRounding;
import io.sparkgguf.kernel.SymmetricRounding;
import io.sparkgguf.kernel.TernaryRounding;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.Encoding;
import java.util.EnumMap;
import java.util.Map;

/** The format of every encoding: the one list of what can be encoded, decoded, and checked. */
public final class BlockFormats {
    private static final Map<BlockType, BlockFormat> BLOCKS = new EnumMap<>(BlockType.class);
    private static final Map<DType, BlockFormat> SCALARS = new EnumMap<>(DType.class);

    static {
        for (BlockType type : BlockType.values()) {
            BLOCKS.put(type, create(type));
        }
        for (DType type : DType.values()) {
            SCALARS.put(type, create(type));
        }
    }

    private BlockFormats() {}

    /** The format of this encoding; there is one for each, see {@link BlockFormat#encodes()} for what it can do. */
    public static BlockFormat of(Encoding encoding) {
        return encoding instanceof BlockType type ? BLOCKS.get(type) : SCALARS.get((DType) encoding);
    }

    private static BlockFormat create(BlockType type) {
        return switch (type) {
            case F32 -> f32(type);
            case F16 -> f16(type);
            case BF16 -> bf16(type);
            case F64 -> readOnly(type, Scalars::decodeF64);
            case I8 -> readOnlyInteger(type, Scalars::decodeI8);
            case I16 -> readOnlyInteger(type, Scalars::decodeI16);
            case I32 -> readOnlyInteger(type, Scalars::decodeI32);
            case I64 -> readOnlyInteger(type, Scalars::decodeI64);

            case Q4_0 ->
                halves(type, 0)
                        .encodedBy((x, at, n, to, toAt) -> SymmetricRounding.encode(x, at, n, 4, to, toAt))
                        .decodedBy((from, at, n, x, xAt) -> SymmetricRounding.decode(from, at, n, 4, x, xAt))
                        .weightedBy((x, at, rows, columns, w, wAt, to, toAt) ->
                                LegacyImportanceEncoder.vector(4, x, at, rows, columns, w, wAt, to, toAt));
            case Q5_0 ->
                halves(type, 0)
                        .encodedBy((x, at, n, to, toAt) -> SymmetricRounding.encode(x, at, n, 5, to, toAt))
                        .decodedBy((from, at, n, x, xAt) -> SymmetricRounding.decode(from, at, n, 5, x, xAt))
                        .weightedBy((x, at, rows, columns, w, wAt, to, toAt) ->
                                LegacyImportanceEncoder.vector(5, x, at, rows, columns, w, wAt, to, toAt));
            case Q4_1 ->
                halves(type, 0, 2)
                        .encodedBy((x, at, n, to, toAt) -> AffineRounding.encode(x, at, n, 4, to, toAt))
                        .decodedBy((from, at, n, x, xAt) -> AffineRounding.decode(from, at, n, 4, x, xAt))
                        .weightedBy(new WeightedAffine(4, type.blockBytes()));
            case Q5_1 ->
                halves(type, 0, 2)
                        .encodedBy((x, at, n, to, toAt) -> AffineRounding.encode(x, at, n, 5, to, toAt))
                        .decodedBy((from, at, n, x, xAt) -> AffineRounding.decode(from, at, n, 5, x, xAt))
                        .weightedBy(new WeightedAffine(5, type.blockBytes()));
            case Q8_0 -> halves(type, 0).encodedBy(Q8Rounding::encode).decodedBy(Q8Rounding::decode);
            case TQ1_0 -> halves(type, 52).encodedBy(TernaryRounding::encodeTq1).decodedBy(TernaryRounding::decodeTq1);
            case TQ2_0 -> halves(type, 64).encodedBy(TernaryRounding::encodeTq2).decodedBy(TernaryRounding::decodeTq2);
            case Q2_0 -> halves(type, 0).encodedBy(TernaryRounding::encodeQ2).decodedBy(TernaryRounding::decodeQ2);
            case Q1_0 -> halves(type, 0).encodedBy(SignRounding::encode).decodedBy(SignRounding::decode);
            case MXFP4 ->
                KernelFormat.recognised(type, Scan.mxfp4(type))
                        .encodedBy(Fp4Rounding::encodeMx)
                        .decodedBy(Fp4Rounding::decodeMx);
            case NVFP4 ->
                KernelFormat.recognised(type, Scan.nothing())
                        .encodedBy(Fp4Rounding::encodeNv)
                        .decodedBy(Fp4Rounding::decodeNv);

            case Q2_K -> new Q2K();
            case Q3_K -> new Q3K();
            case Q4_K -> new Q4K();
            case Q5_K -> new Q5K();
            case Q6_K -> new Q6K();
            case IQ4_NL -> new IQ4NL();
            case IQ4_XS -> new IQ4XS();

            case Q8_1 -> halves(type, 0, 2);
            case Q8_K -> KernelFormat.recognised(type, Scan.float32(type));
            case IQ1_S, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S -> halves(type, 0);
            case IQ1_M -> KernelFormat.recognised(type, Scan.iq1m(type));
        };
    }

    private static BlockFormat create(DType type) {
        return switch (type) {
            case F32 -> f32(type);
            case F16 -> f16(type);
            case BF16 -> bf16(type);
            case F64 -> readOnly(type, Scalars::decodeF64);
            case F8_E4M3 -> readOnly(type, Scalars::decodeF8E4M3);
            case F8_E5M2 -> readOnly(type, Scalars::decodeF8E5M2);
            case F8_E8M0 -> readOnly(type, Scalars::decodeF8E8M0);
            case I64 -> readOnlyInteger(type, Scalars::decodeI64);
            case U64 -> readOnlyInteger(type, Scalars::decodeU64);
            case I32 -> readOnlyInteger(type, Scalars::decodeI32);
            case U32 -> readOnlyInteger(type, Scalars::decodeU32);
            case I16 -> readOnlyInteger(type, Scalars::decodeI16);
            case U16 -> readOnlyInteger(type, Scalars::decodeU16);
            case I8 -> readOnlyInteger(type, Scalars::decodeI8);
            case U8 -> readOnlyInteger(type, Scalars::decodeU8);
            case BOOL -> readOnlyInteger(type, Scalars::decodeBool);
        };
    }

    private static KernelFormat f32(Encoding encoding) {
        return KernelFormat.recognised(encoding, Finite::firstNonFiniteF32)
                .encodedBy(Scalars::encodeF32)
                .decodedBy(Scalars::decodeF32);
    }

    private static KernelFormat f16(Encoding encoding) {
        return KernelFormat.recognised(encoding, Finite::firstNonFiniteF16)
                .encodedBy(Halves::f32ToF16)
                .decodedBy(Halves::f16ToF32);
    }

    private static KernelFormat bf16(Encoding encoding) {
        return KernelFormat.recognised(encoding, Finite::firstNonFiniteBf16)
                .encodedBy(Halves::f32ToBf16)
                .decodedBy(Halves::bf16ToF32);
    }

    private static KernelFormat readOnly(Encoding encoding, KernelFormat.Decoder decoder) {
        return KernelFormat.recognised(encoding, Scan.decoded(encoding, decoder))
                .decodedBy(decoder);
    }

    private static KernelFormat readOnlyInteger(Encoding encoding, KernelFormat.Decoder decoder) {
        return KernelFormat.recognised(encoding, Scan.nothing()).decodedBy(decoder);
    }

    private static KernelFormat halves(Encoding encoding, int... scales) {
        return KernelFormat.recognised(encoding, Scan.halves(encoding, scales));
    }
}
