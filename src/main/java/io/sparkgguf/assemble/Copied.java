package io.sparkgguf.assemble;

import java.io.Serializable;
import java.util.List;

/**
 * What became of a range.
 *
 * @param receipt of the place that it was written to; null when it was not written
 * @param damaged ids of the parts for which it was not
 * @param reason why the first of them cannot be used, for people; null when the range was written
 */
public record Copied(String receipt, List<Integer> damaged, String reason) implements Serializable {
    public Copied {
        damaged = List.copyOf(damaged);
    }
}
