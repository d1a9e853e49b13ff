package io.sparkgguf.model;

import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataType;
import io.sparkgguf.tensor.MetadataValue;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.List;
import java.util.Optional;

/** The keys under {@code general.}: what the model is called, how large it is, and how its makers would sample it. */
final class GeneralMetadata {
    private GeneralMetadata() {}

    static Metadata of(
            String architecture,
            HfConfig config,
            Optional<HfConfig> generation,
            String folder,
            List<ModelTensor> tensors) {
        Metadata metadata = new Metadata();
        metadata.putString("general.architecture", architecture);
        metadata.putString("general.type", "model");
        generation.ifPresent(file -> putSampling(metadata, file));

        long weights =
                tensors.stream().mapToLong(tensor -> tensor.shape().elements()).reduce(0, Math::addExact);
        // a path of somebody's machine is no name; an organization and a name are
        ModelName name = config.text("_name_or_path")
                .filter(given ->
                        !given.isBlank() && given.chars().filter(c -> c == '/').count() <= 1)
                .map(given -> ModelName.parse(given, weights))
                .orElse(ModelName.NONE)
                .or(ModelName.parse(folder, weights));
        metadata.putString("general.name", name.title().orElse("model"));
        name.version().ifPresent(value -> metadata.putString("general.version", value));
        name.organization().ifPresent(value -> metadata.putString("general.organization", value));
        name.finetune().ifPresent(value -> metadata.putString("general.finetune", value));
        name.basename().ifPresent(value -> metadata.putString("general.basename", value));
        metadata.putString("general.size_label", name.sizeLabel().orElseGet(() -> sizeLabel(weights)));
        return metadata;
    }

    private static void putSampling(Metadata metadata, HfConfig file) {
        file.text("sequence").ifPresent(text -> metadata.putString("general.sampling.sequence", text));
        putInt(metadata, "top_k", file, "top_k");
        putReal(metadata, "top_p", file, "top_p");
        putReal(metadata, "min_p", file, "min_p");
        putReal(metadata, "xtc_probability", file, "xtc_probability");
        putReal(metadata, "xtc_threshold", file, "xtc_threshold");
        putReal(metadata, "temp", file, "temperature");
        putInt(metadata, "penalty_last_n", file, "penalty_last_n");
        putReal(metadata, "penalty_repeat", file, file.has("penalty_repeat") ? "penalty_repeat" : "repetition_penalty");
        putInt(metadata, "mirostat", file, "mirostat");
        putReal(metadata, "mirostat_tau", file, "mirostat_tau");
        putReal(metadata, "mirostat_eta", file, "mirostat_eta");
    }

    private static void putInt(Metadata metadata, String key, HfConfig file, String name) {
        file.integer(name).ifPresent(value -> {
            if (value != (int) value) {
                throw file.unusable(name + " is " + value + ", which does not fit 32 bits");
            }
            metadata.put("general.sampling." + key, MetadataValue.Int.of(MetadataType.I32, value));
        });
    }

    private static void putReal(Metadata metadata, String key, HfConfig file, String name) {
        file.real(name).ifPresent(value -> metadata.putF32("general.sampling." + key, (float) value));
    }

    /** A count of weights for people, two digits where it has one before the point: {@code 6.8M}, {@code 135M}, {@code 1.2B}. */
    static String sizeLabel(long weights) {
        double scaled = weights * 1e-3;
        String unit = "K";
        if (weights > 1_000_000_000_000L) {
            scaled = weights * 1e-12;
            unit = "T";
        } else if (weights > 1_000_000_000L) {
            scaled = weights * 1e-9;
            unit = "B";
        } else if (weights > 1_000_000L) {
            scaled = weights * 1e-6;
            unit = "M";
        }
        BigDecimal exact = new BigDecimal(scaled);
        String whole = exact.setScale(0, RoundingMode.HALF_EVEN).toPlainString();
        int digits = whole.equals("0") ? 0 : whole.length();
        return exact.setScale(Math.max(2 - digits, 0), RoundingMode.HALF_EVEN).toPlainString() + unit;
    }
}
