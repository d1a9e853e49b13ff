package io.sparkgguf.quant.mix;

import io.sparkgguf.tensor.BlockType;
import java.util.Optional;

/** What replaces a type whose blocks do not divide a tensor's rows. */
final class ShapeFallback {
    private ShapeFallback() {}

    static boolean fits(long columns, BlockType type) {
        return columns % type.blockElements() == 0;
    }

    /**
     * The type for rows of {@code columns} elements instead of {@code wanted}, which does not fit them: the next larger one
     * with blocks of 32, or F16 where 32 does not divide the rows either. Empty when none is defined.
     *
     * <p>As llama.cpp does it; that types with blocks of 32 become F16 is of a later version of it, b10572 refuses them.
     */
    static Optional<BlockType> of(BlockType wanted, long columns) {
        Optional<BlockType> small = switch (wanted) {
            case IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S, IQ4_XS -> Optional.of(BlockType.IQ4_NL);
            case Q2_0, Q2_K, Q3_K, TQ1_0, TQ2_0 -> Optional.of(BlockType.Q4_0);
            case Q4_K -> Optional.of(BlockType.Q5_0);
            case Q5_K -> Optional.of(BlockType.Q5_1);
            case Q6_K -> Optional.of(BlockType.Q8_0);
            default -> wanted.blockElements() <= 32 ? Optional.of(wanted) : Optional.empty();
        };
        return small.map(type -> fits(columns, type) ? type : BlockType.F16);
    }
}
