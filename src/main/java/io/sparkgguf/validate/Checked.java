package io.sparkgguf.validate;

import java.io.Serializable;
import java.util.List;

/**
 * What reading a tensor back gave.
 *
 * @param digest xxHash64 of all its bytes
 * @param damaged indices of the slices whose bytes are not those that were encoded
 * @param reason what is wrong with the first of them, for people; null when none is
 */
public record Checked(long digest, List<Integer> damaged, String reason) implements Serializable {
    public Checked {
        damaged = List.copyOf(damaged);
    }
}
