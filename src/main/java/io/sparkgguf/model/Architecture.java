package io.sparkgguf.model;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;

/**
 * The page of one architecture: everything that sets it apart, as data. A new architecture is a new page and its line in
 * {@link Architectures}.
 *
 * @param gguf GGUF's name, the prefix of its keys
 * @param names the classes of {@code architectures} in {@code config.json} that it covers
 * @param sizes the sizes its rules speak of, each after those it is derived from
 * @param ropeTypes the kinds of rope scaling that its GGUF can express
 * @param checks what must hold beyond shapes
 * @param keys metadata, in file order
 * @param tensors every tensor that a checkpoint may have
 */
record Architecture(
        String gguf,
        List<String> names,
        List<Sizes.Rule> sizes,
        Set<String> ropeTypes,
        List<Consumer<KeyRule.Facts>> checks,
        List<KeyRule> keys,
        List<TensorRule> tensors) {

    /** One list after the other, for pages that share parts. */
    @SafeVarargs
    static <T> List<T> join(List<? extends T>... parts) {
        List<T> all = new ArrayList<>();
        for (List<? extends T> part : parts) {
            all.addAll(part);
        }
        return List.copyOf(all);
    }
}
