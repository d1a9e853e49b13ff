package io.sparkgguf.tensor;

import java.util.Optional;

/** The scalar element types of safetensors checkpoints, little-endian, one element a block. */
public enum DType implements Encoding {
    F64(8),
    F32(4),
    F16(2),
    BF16(2),
    F8_E4M3(1),
    F8_E5M2(1),
    F8_E8M0(1),
    I64(8),
    U64(8),
    I32(4),
    U32(4),
    I16(2),
    U16(2),
    I8(1),
    U8(1),
    BOOL(1);

    private final int bytes;

    DType(int bytes) {
        this.bytes = bytes;
    }

    @Override
    public String label() {
        return name();
    }

    @Override
    public int blockElements() {
        return 1;
    }

    @Override
    public int blockBytes() {
        return bytes;
    }

    /** The type of this safetensors name, or empty when there is none. */
    public static Optional<DType> of(String label) {
        for (DType type : values()) {
            if (type.name().equals(label)) {
                return Optional.of(type);
            }
        }
        return Optional.empty();
    }
}
