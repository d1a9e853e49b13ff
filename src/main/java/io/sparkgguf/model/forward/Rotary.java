package io.sparkgguf.model.forward;

/**
 * Rotary position: how far each pair of elements of a head turns from one token to the next.
 *
 * <p>Plain and linear as in RoFormer and its position interpolation; yarn after "YaRN: Efficient Context Window Extension of
 * Large Language Models" (Peng et al., 2023), section 3.2, with transformers' and llama.cpp's rounding of the bounds to
 * whole dimensions. Llama 3's scaling comes as divisors of frequencies, the tensor {@code rope_freqs.weight}. Frequencies
 * and angles are float32, step by step as transformers computes them.
 *
 * @param pairing which elements turn together
 * @param dimensions elements of a head, all of which turn; even
 * @param base what the slowest wavelength grows with, over 1
 * @param scaling what is done to reach a longer context
 * @param factor by how much the context grew, positive; 1 for none
 * @param yarn read for yarn only
 */
public record Rotary(Pairing pairing, int dimensions, double base, Scaling scaling, double factor, Yarn yarn)
        implements java.io.Serializable {

    /** Which elements of a head turn together. */
    public enum Pairing {
        /** Neighbours: 2 i and 2 i + 1. */
        NEIGHBOURS,
        /** Element i of the first half and of the second. */
        HALVES
    }

    /** What is done to the frequencies. */
    public enum Scaling {
        NONE,
        LINEAR,
        YARN
    }

    /**
     * What yarn needs to know.
     *
     * @param originalContext tokens of the context before it grew
     * @param extrapolation share of the fast dimensions that keep their frequency, 1 in the paper
     * @param magnitude by which queries and keys are multiplied
     * @param betaFast turns within the original context from which on a dimension keeps its frequency
     * @param betaSlow turns within the original context up to which its frequency is divided by the factor
     */
    public record Yarn(int originalContext, double extrapolation, double magnitude, double betaFast, double betaSlow)
            implements java.io.Serializable {}

    static Rotary of(ModelKeys keys, Pairing pairing, int dimensions, int context) {
        double base = keys.positive("rope.freq_base", 10000);
        if (base <= 1) {
            throw keys.unusable(keys.full("rope.freq_base") + " is " + base + ", not over 1");
        }
        String type = keys.text("rope.scaling.type", "linear");
        double factor = keys.has("rope.scaling.factor")
                ? keys.real("rope.scaling.factor", 1)
                : keys.real("rope.scale_linear", 1);
        if (factor < 0) {
            throw keys.unusable(keys.full("rope.scaling.factor") + " is " + factor + ", not positive");
        }
        if (factor == 0) { // how llama.cpp writes that there is none
            factor = 1;
        }
        double magnitude = keys.positive("rope.scaling.attn_factor", 1);
        switch (type) {
            case "none":
            case "linear":
                if (magnitude != 1) {
                    throw keys.unusable(keys.full("rope.scaling.attn_factor") + " is " + magnitude + " without yarn");
                }
                boolean scaled = type.equals("linear") && factor != 1;
                return new Rotary(
                        pairing,
                        dimensions,
                        base,
                        scaled ? Scaling.LINEAR : Scaling.NONE,
                        scaled ? factor : 1,
                        new Yarn(context, 1, 1, 32, 1));
            case "yarn":
                keys.refuse("rope.scaling.yarn_log_multiplier", 0);
                double usual = factor <= 1 ? 1 : 0.1 * StrictMath.log(factor) + 1;
                Yarn yarn = new Yarn(
                        keys.size("rope.scaling.original_context_length", context),
                        keys.real("rope.scaling.yarn_ext_factor", 1),
                        magnitude * keys.positive("rope.scaling.yarn_attn_factor", usual),
                        keys.positive("rope.scaling.yarn_beta_fast", 32),
                        keys.positive("rope.scaling.yarn_beta_slow", 1));
                return new Rotary(pairing, dimensions, base, Scaling.YARN, factor, yarn);
            default:
                throw keys.unusable(
                        keys.full("rope.scaling.type") + " is '" + type + "', known are none, linear, yarn");
        }
    }

    /** What queries and keys are multiplied by while they turn. */
    public float magnitude() {
        return scaling == Scaling.YARN ? (float) yarn.magnitude() : 1f;
    }

    /**
     * Radians from one token to the next, of each pair.
     *
     * @param divisors one for each pair, or null for none
     */
    public float[] frequencies(float[] divisors) {
        float[] frequencies = new float[dimensions / 2];
        double low = Math.max(StrictMath.floor(correction(yarn.betaFast())), 0);
        double high = Math.min(StrictMath.ceil(correction(yarn.betaSlow())), dimensions - 1);
        float width = (float) Math.max(high - low, 0.001);
        for (int i = 0; i < frequencies.length; i++) {
            float power = (float) StrictMath.pow(base, (float) (2 * i) / dimensions);
            float divisor = divisors == null ? 1 : divisors[i];
            float full = 1 / power / divisor;
            float scaled = 1 / ((float) factor * power) / divisor;
            frequencies[i] = switch (scaling) {
                case NONE -> full;
                case LINEAR -> full / (float) factor;
                case YARN -> {
                    float slow = Math.max(0, Math.min(1, (i - (float) low) / width));
                    float kept = (1 - slow) * (float) yarn.extrapolation();
                    yield scaled * (1 - kept) + full * kept;
                }
            };
        }
        return frequencies;
    }

    /** The dimension that makes so many turns within the original context. */
    private double correction(double turns) {
        return dimensions * StrictMath.log(yarn.originalContext() / (turns * 2 * Math.PI)) / (2 * StrictMath.log(base));
    }
}
