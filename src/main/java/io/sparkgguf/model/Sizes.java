package io.sparkgguf.model;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;

/**
 * The named sizes of a model, in the names of its {@code config.json}: all positive. Shapes and metadata are written in
 * terms of them.
 */
final class Sizes {
    /** llama.cpp keeps sizes as u32 and some products of them as 64-bit. */
    private static final long MAX = Integer.MAX_VALUE;

    /** llama.cpp's limit of layers. */
    private static final long MAX_LAYERS = 512;

    /** How one size is found: its key, and the value when the key is absent (null: it must be there). */
    record Rule(String name, ToLongFunction<Sizes> otherwise) {
        static Rule required(String name) {
            return new Rule(name, null);
        }

        /** Another size when the key is absent. */
        static Rule orSame(String name, String other) {
            return new Rule(name, sizes -> sizes.get(other));
        }

        static Rule orElse(String name, ToLongFunction<Sizes> otherwise) {
            return new Rule(name, otherwise);
        }
    }

    private final HfConfig config;
    private final Map<String, Long> values = new LinkedHashMap<>();

    private Sizes(HfConfig config) {
        this.config = config;
    }

    /** Resolves {@code rules} in order, so that a rule may use those before it. */
    static Sizes of(HfConfig config, List<Rule> rules, String who) {
        Sizes sizes = new Sizes(config);
        for (Rule rule : rules) {
            OptionalLong given = config.integer(rule.name());
            if (given.isEmpty() && rule.otherwise() == null) {
                throw config.missing(rule.name(), who);
            }
            long value =
                    given.isPresent() ? given.getAsLong() : rule.otherwise().applyAsLong(sizes);
            long most = rule.name().equals("num_hidden_layers") ? MAX_LAYERS : MAX;
            if (value < 1 || value > most) {
                throw config.unusable(rule.name() + " is " + value + ", not from 1 to " + most);
            }
            sizes.values.put(rule.name(), value);
        }
        return sizes;
    }

    long get(String name) {
        Long value = values.get(name);
        if (value == null) {
            throw new IllegalArgumentException("Cannot find size " + name + " among " + values.keySet());
        }
        return value;
    }

    /** {@code whole / part}, which must come out even. */
    long quotient(String whole, String part) {
        if (get(whole) % get(part) != 0) {
            throw config.unusable(whole + " is " + get(whole) + ", not a multiple of " + part + ", " + get(part));
        }
        return get(whole) / get(part);
    }

    /** One dimension: a size, or a product written {@code a * b}. */
    long product(String expression) {
        long product = 1;
        for (String name : expression.split(" \\* ")) {
            if (product > Long.MAX_VALUE / get(name)) {
                throw config.unusable(expression + " is over 2^63 - 1");
            }
            product *= get(name);
        }
        return product;
    }

    /** For people: {@code [num_attention_heads 8 * head_dim 32 = 256, hidden_size 256]}. */
    String describe(List<String> shape) {
        return shape.stream()
                .map(expression -> {
                    String[] names = expression.split(" \\* ");
                    String factors = List.of(names).stream()
                            .map(name -> name + " " + get(name))
                            .collect(Collectors.joining(" * "));
                    return names.length == 1 ? factors : factors + " = " + product(expression);
                })
                .collect(Collectors.joining(", ", "[", "]"));
    }
}
