package io.sparkgguf.tensor;

import java.util.Locale;
import java.util.Optional;

/**
 * The tensor types of GGUF files: ggml's id, its name, the elements and bytes of one block.
 *
 * <p>All ids that ggml accepts in a file are here, those without an encoder in this project too (IQ1, IQ2, IQ3): such
 * tensors are recognised, sized, copied and reported. The removed ids (4, 5, 31 to 33, 36 to 38) are not.
 *
 * <p>Source: ggml's type table as of llama.cpp b10572.
 */
public enum BlockType implements Encoding {
    F32(0, 1, 4),
    F16(1, 1, 2),
    Q4_0(2, 32, 18),
    Q4_1(3, 32, 20),
    Q5_0(6, 32, 22),
    Q5_1(7, 32, 24),
    Q8_0(8, 32, 34),
    Q8_1(9, 32, 36),
    Q2_K(10, 256, 84),
    Q3_K(11, 256, 110),
    Q4_K(12, 256, 144),
    Q5_K(13, 256, 176),
    Q6_K(14, 256, 210),
    Q8_K(15, 256, 292),
    IQ2_XXS(16, 256, 66),
    IQ2_XS(17, 256, 74),
    IQ3_XXS(18, 256, 98),
    IQ1_S(19, 256, 50),
    IQ4_NL(20, 32, 18),
    IQ3_S(21, 256, 110),
    IQ2_S(22, 256, 82),
    IQ4_XS(23, 256, 136),
    I8(24, 1, 1),
    I16(25, 1, 2),
    I32(26, 1, 4),
    I64(27, 1, 8),
    F64(28, 1, 8),
    IQ1_M(29, 256, 56),
    BF16(30, 1, 2),
    TQ1_0(34, 256, 54),
    TQ2_0(35, 256, 66),
    MXFP4(39, 32, 17),
    NVFP4(40, 64, 36),
    Q1_0(41, 128, 18),
    Q2_0(42, 64, 18);

    private static final BlockType[] BY_ID = new BlockType[43];

    static {
        for (BlockType type : values()) {
            BY_ID[type.id] = type;
        }
    }

    private final int id;
    private final int blockElements;
    private final int blockBytes;

    BlockType(int id, int blockElements, int blockBytes) {
        this.id = id;
        this.blockElements = blockElements;
        this.blockBytes = blockBytes;
    }

    /** The number that stands for this type in a GGUF file. */
    public int id() {
        return id;
    }

    @Override
    public String label() {
        return name();
    }

    @Override
    public int blockElements() {
        return blockElements;
    }

    @Override
    public int blockBytes() {
        return blockBytes;
    }

    /** Whether every element is stored by itself, without a scale shared by a block. */
    public boolean isScalar() {
        return blockElements == 1;
    }

    /** Whether elements are floating-point numbers stored by themselves: F32, F16, BF16 or F64. */
    public boolean isFloat() {
        return this == F32 || this == F16 || this == BF16 || this == F64;
    }

    /** The type of this id, or empty for an id that is unknown or was removed. */
    public static Optional<BlockType> of(int id) {
        return id < 0 || id >= BY_ID.length ? Optional.empty() : Optional.ofNullable(BY_ID[id]);
    }

    /** The type of this name in any case ({@code q4_K}, {@code Q4_K}), or empty. */
    public static Optional<BlockType> of(String label) {
        String upper = label.toUpperCase(Locale.ROOT);
        for (BlockType type : values()) {
            if (type.name().equals(upper)) {
                return Optional.of(type);
            }
        }
        return Optional.empty();
    }
}
