package io.sparkgguf.quant.mix;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.Encoding;
import io.sparkgguf.tensor.Shape;

/**
 * The type of one tensor, and why.
 *
 * @param name GGUF name
 * @param shape outermost first
 * @param source how its values are stored now
 * @param type what it becomes; its blocks divide the rows
 * @param wanted what the options and the mix asked for; differs from {@code type} only when the rule is FALLBACK
 * @param rule why
 * @param detail why, for people, in one line without the type: {@code attn_v of layer 3: more bits in Q4_K_M}
 */
public record TypeChoice(
        String name, Shape shape, Encoding source, BlockType type, BlockType wanted, Rule rule, String detail) {
    public TypeChoice {
        if (!ShapeFallback.fits(shape.columns(), type)) {
            throw new IllegalArgumentException("Cannot store " + name + " " + shape + " as " + type
                    + ": its rows are not" + " whole blocks of " + type.blockElements());
        }
    }

    /** Bytes of the tensor in its new type, without padding. */
    public long bytes() {
        return type.bytes(shape.elements());
    }

    /** Bytes of the tensor as it is stored now. */
    public long sourceBytes() {
        return source.bytes(shape.elements());
    }

    /** Whether it keeps its encoding, so that its bytes are copied. */
    public boolean isCopied() {
        return source.label().equals(type.label());
    }
}
