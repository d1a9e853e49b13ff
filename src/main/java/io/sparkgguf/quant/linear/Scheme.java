package io.sparkgguf.quant.linear;

import io.sparkgguf.tensor.Shape;
import java.io.Serializable;

/** A way to store weights in few bits, by name: linear, or one of GGUF's types. */
public sealed interface Scheme extends Serializable permits LinearScheme, GgufScheme {

    /** Its name, which {@link SchemeName#parse} reads: {@code int4-asym-g32-mse}, {@code Q4_K}. */
    String label();

    /** Whether rows of so many columns can be stored: GGUF's blocks must divide them, groups need not. */
    boolean fits(long columns);

    /** Bytes of a tensor, with scales and zero points, which must {@linkplain #fits fit}. */
    long bytes(Shape shape);

    /** Bits for each weight of a tensor, with scales and zero points. */
    default double bitsPerWeight(Shape shape) {
        return 8.0 * bytes(shape) / shape.elements();
    }
}
