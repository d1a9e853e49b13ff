package io.sparkgguf.job;

import io.sparkgguf.calibrate.text.CalibrationText;
import io.sparkgguf.calibrate.text.Overlap;
import io.sparkgguf.calibrate.text.Packing;
import io.sparkgguf.calibrate.text.TextSettings;
import io.sparkgguf.calibrate.text.TokenSequences;
import io.sparkgguf.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Whether models are judged by text that they were calibrated on. */
final class SeenText {
    private final Storage storage;
    private final EvaluateSettings settings;

    SeenText(Storage storage, EvaluateSettings settings) {
        this.storage = storage;
        this.settings = settings;
    }

    /** A line for each reason to think so. */
    List<String> warnings(List<Checkpoint> checkpoints, TokenSequences text) throws IOException {
        List<String> warnings = new ArrayList<>();
        if (!settings.calibration().isEmpty()) {
            Overlap overlap = text.overlap(calibration(checkpoints.get(0)));
            if (overlap.shared() > 0) {
                warnings.add(
                        ("%,d of %,d windows of %d tokens of the evaluation text occur in the calibration text: the"
                                        + " figures flatter the candidates")
                                .formatted(overlap.shared(), overlap.windows(), Overlap.WINDOW));
            }
        }
        for (Checkpoint checkpoint : checkpoints) {
            String files = checkpoint
                    .model()
                    .metadata()
                    .string(CalibrationPlan.FILES_KEY)
                    .orElse("");
            settings.text().stream()
                    .map(CalibrationPlan::fileName)
                    .distinct()
                    .filter(name -> !name.isEmpty() && isListed(name, files))
                    .forEach(name ->
                            warnings.add(("%s was calibrated on %s, as its metadata says: if that is this text, the"
                                            + " figures flatter it")
                                    .formatted(checkpoint.location(), name)));
        }
        return warnings;
    }

    /** All of it as one sequence. Each document is whole, in whatever order; a window is of one document nearly always. */
    private TokenSequences calibration(Checkpoint base) throws IOException {
        TextSettings all =
                new TextSettings("compare", settings.calibration(), settings.tokenizer(), 2, 0, 0, Packing.DOCUMENTS);
        return CalibrationText.read(storage, base.model().metadata(), base.tokenizerFolder(), all)
                .joined();
    }

    /** Names may have commas themselves, so the list is not taken apart. */
    private static boolean isListed(String name, String files) {
        String comma = CalibrationPlan.FILES_SEPARATOR;
        return (comma + files + comma).contains(comma + name + comma);
    }
}
