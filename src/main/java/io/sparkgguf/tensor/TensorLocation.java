package io.sparkgguf.tensor;

import java.io.Serializable;
import java.util.Objects;

/**
 * Where the bytes of one stored tensor lie.
 *
 * @param name the tensor's name in its file
 * @param encoding how its elements are stored
 * @param shape dimensions, outermost first
 * @param file URI or path of the file that holds it
 * @param offset first byte in the file
 * @param length bytes; always {@code encoding.bytes(shape.elements())}
 */
public record TensorLocation(String name, Encoding encoding, Shape shape, String file, long offset, long length)
        implements Serializable {
    public TensorLocation {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(file, "file");
        if (offset < 0 || length != encoding.bytes(shape.elements())) {
            throw new IllegalArgumentException("Cannot place tensor " + name + ": offset " + offset + ", length "
                    + length + ", but " + shape + " of " + encoding.label() + " takes "
                    + encoding.bytes(shape.elements()) + " bytes");
        }
    }
}
