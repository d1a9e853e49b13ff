package io.sparkgguf.model;

import io.sparkgguf.model.TernarySource.Meaning;
import java.util.List;
import java.util.Optional;

/**
 * {@code quantization_config} of a BitNet b1.58 checkpoint, as transformers' integration reads it: layers with ternary
 * weights that round what they read to INT8.
 *
 * @param meaning what the weights of its linear layers are
 */
record BitNetQuantization(Meaning meaning) {
    private static final String SECTION = "quantization_config";

    /**
     * Reads it.
     *
     * @param who the architecture, for messages
     * @param layers names of the linear layers, without {@code .weight}
     * @return empty when the configuration speaks of no quantization
     * @throws io.sparkgguf.tensor.InvalidInputException when it is of another kind, or asks for what no GGUF can express
     */
    static Optional<BitNetQuantization> of(HfConfig config, String who, List<String> layers) {
        return config.section(SECTION).map(section -> {
            String method = section.text("quant_method").orElse("not given");
            if (!method.equals("bitnet")) {
                throw config.unusable("its quantization_config (quant_method " + method
                        + ") says that the weights are quantized already; " + who
                        + " is converted from float weights or BitNet's");
            }
            String linear = choice(config, section, "linear_class", "bitlinear", "autobitlinear");
            String mode = choice(config, section, "quantization_mode", "offline", "online");
            if (section.flag("use_rms_norm")) {
                throw config.unusable(
                        SECTION + ".use_rms_norm is true, but " + who + " has no norms within linear layers");
            }
            for (String module : section.texts("modules_to_not_convert")) {
                layers.stream()
                        .filter(layer -> layer.contains(module))
                        .findFirst()
                        .ifPresent(layer -> {
                            throw config.unusable(SECTION + ".modules_to_not_convert names " + module + " and so "
                                    + layer + ", but BitNet's linear layers are known only all together");
                        });
            }
            if (mode.equals("online")) {
                if (!linear.equals("autobitlinear")) {
                    throw config.unusable(
                            SECTION + ".quantization_mode is online, which needs the linear_class autobitlinear, not "
                                    + linear);
                }
                return new BitNetQuantization(Meaning.MASTER);
            }
            return new BitNetQuantization(linear.equals("bitlinear") ? Meaning.OVER_SCALE : Meaning.TIMES_SCALE);
        });
    }

    /** The first of the texts where none is given. */
    private static String choice(HfConfig config, HfConfig section, String key, String usual, String other) {
        String text = section.text(key).orElse(usual);
        if (!text.equals(usual) && !text.equals(other)) {
            throw config.unusable(SECTION + "." + key + " is " + text + ", known are " + usual + " and " + other);
        }
        return text;
    }
}
