package io.sparkgguf.model;

import io.sparkgguf.tensor.Metadata;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Set;

/**
 * Rotary position as {@code config.json} gives it: {@code rope_parameters}, or the older {@code rope_theta} and
 * {@code rope_scaling}, whose type may be called {@code type}.
 *
 * <p>{@code dynamic} stands for plain rope: it differs only beyond {@code max_position_embeddings}, which is the context
 * length of the file.
 */
final class RopeParameters {
    private static final double DEFAULT_THETA = 10000;

    private final HfConfig config;
    private final HfConfig section;
    private final String who;
    private final String type;
    private final double theta;

    private RopeParameters(HfConfig config, HfConfig section, String who, String type, double theta) {
        this.config = config;
        this.section = section;
        this.who = who;
        this.type = type;
        this.theta = theta;
    }

    /** @param known the types that the architecture's GGUF can express */
    static RopeParameters of(HfConfig config, Set<String> known, String who) {
        String name = config.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
        Optional<HfConfig> section = config.section(name);
        HfConfig parameters = section.orElse(config);
        section.flatMap(HfConfig::firstSection).ifPresent(inner -> {
            throw config.unusable(name + " has a section " + inner + ", but " + who + " knows one for all layers");
        });
        String type = section.flatMap(s -> s.text("rope_type").or(() -> s.text("type")))
                .orElse("default");
        if (!known.contains(type)) {
            throw config.unusable(name + " is of type " + type + "; of " + who + " known are "
                    + String.join(", ", known.stream().sorted().toList()));
        }
        for (HfConfig place : new HfConfig[] {parameters, config}) {
            double part = place.real("partial_rotary_factor").orElse(1);
            if (part != 1) {
                throw config.unusable("partial_rotary_factor is " + part + ", but " + who + " rotates whole heads");
            }
        }
        OptionalDouble inner = parameters.real("rope_theta");
        OptionalDouble outer = config.real("rope_theta");
        if (inner.isPresent() && outer.isPresent() && inner.getAsDouble() != outer.getAsDouble()) {
            throw config.unusable(
                    "rope_theta is " + outer.getAsDouble() + ", but " + name + ".rope_theta is " + inner.getAsDouble());
        }
        double theta = inner.orElse(outer.orElse(DEFAULT_THETA));
        if (theta <= 1) {
            throw config.unusable("rope_theta is " + theta + ", not over 1");
        }
        return new RopeParameters(config, parameters, who, type, theta);
    }

    /** Writes the base and what llama.cpp wants to know of the scaling. */
    void put(Metadata metadata, String prefix) {
        if (type.equals("linear") || type.equals("yarn")) {
            metadata.putString(prefix + "rope.scaling.type", type);
            metadata.putF32(prefix + "rope.scaling.factor", (float) positive("factor"));
        }
        if (type.equals("yarn")) {
            if (section.has("mscale") || section.has("mscale_all_dim")) {
                throw config.unusable("yarn's mscale and mscale_all_dim are not known of " + who);
            }
            metadata.putU32(prefix + "rope.scaling.original_context_length", originalContext());
            putReal(metadata, prefix + "rope.scaling.yarn_ext_factor", "extrapolation_factor");
            putReal(
                    metadata,
                    prefix + "rope.scaling.yarn_attn_factor",
                    section.has("attention_factor") ? "attention_factor" : "attn_factor");
            putReal(metadata, prefix + "rope.scaling.yarn_beta_fast", "beta_fast");
            putReal(metadata, prefix + "rope.scaling.yarn_beta_slow", "beta_slow");
        }
        metadata.putF32(prefix + "rope.freq_base", (float) theta);
    }

    private void putReal(Metadata metadata, String key, String name) {
        section.real(name).ifPresent(value -> metadata.putF32(key, (float) value));
    }

    /**
     * For llama3 rope the divisor of each frequency, one for two elements of a head; empty for other types.
     *
     * <p>Wavelengths shorter than original context / high_freq_factor keep their frequency, those longer than original
     * context / low_freq_factor have it divided by the factor, and those between blend both by where the number of
     * turns within the original context lies between the two. Computed in float32 step by step, as llama.cpp's converter does.
     */
    Optional<float[]> frequencyDivisors(long headDim) {
        if (!type.equals("llama3")) {
            return Optional.empty();
        }
        float factor = (float) positive("factor");
        float low = (float) positive("low_freq_factor");
        float high = (float) positive("high_freq_factor");
        long original = originalContext();
        if (high <= low) {
            throw config.unusable("high_freq_factor is " + high + ", not over low_freq_factor, " + low);
        }
        float longest = (float) ((double) original / low);
        float shortest = (float) ((double) original / high);
        float[] divisors = new float[Math.toIntExact(headDim / 2)];
        for (int i = 0; i < divisors.length; i++) {
            float exponent = (float) (2 * i) / headDim;
            float frequency = 1 / (float) Math.pow((float) theta, exponent);
            float wavelength = (1 / frequency) * (float) (2 * Math.PI);
            if (wavelength < shortest) {
                divisors[i] = 1;
            } else if (wavelength > longest) {
                divisors[i] = factor;
            } else {
                float blend = ((1 / wavelength) * original - low) / (high - low);
                divisors[i] = 1 / ((1 - blend) / factor + blend);
            }
        }
        return Optional.of(divisors);
    }

    private double positive(String name) {
        double value = section.needReal(name, type + " rope");
        if (value <= 0) {
            throw config.unusable(name + " is " + value + ", not positive");
        }
        return value;
    }

    /** Where it is not given transformers takes the whole context. */
    private long originalContext() {
        String name = "original_max_position_embeddings";
        OptionalLong given = config.integer(name).isPresent() ? config.integer(name) : section.integer(name);
        long value = given.isPresent()
                ? given.getAsLong()
                : config.integer("max_position_embeddings")
                        .orElseThrow(() -> config.missing("max_position_embeddings", who));
        if (value < 1 || value > Integer.MAX_VALUE) {
            throw config.unusable(name + " is " + value + ", not from 1 to " + Integer.MAX_VALUE);
        }
        return value;
    }
}
