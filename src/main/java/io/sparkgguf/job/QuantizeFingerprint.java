package io.sparkgguf.job;

import io.sparkgguf.calibrate.text.TokenSequences;
import io.sparkgguf.job.work.Fingerprint;
import io.sparkgguf.job.work.WorkFolders;
import io.sparkgguf.quant.mix.TypeChoices;
import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.Names;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.Storage.FileStatus;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** What decides the bytes that a run of quantize makes, and how the work is cut. */
final class QuantizeFingerprint {
    private QuantizeFingerprint() {}

    /**
     * @param tokens that the run calibrates on, or null
     * @param chosen types by size, or null
     */
    static Fingerprint of(
            Storage storage,
            QuantizeSettings settings,
            Checkpoint checkpoint,
            CalibrationTokens tokens,
            TypeChoices chosen)
            throws IOException {
        Fingerprint.Builder all = source(storage, settings, checkpoint);
        all.addAll("types", settings.types());
        if (chosen != null) {
            all.add("types.chosen", digest(chosen.choices().toString()));
        }
        all.add("override-kv", settings.overrides());
        all.add("pre-tokenizer", settings.preTokenizer());
        all.add("keep-split", settings.keepSplit());
        all.add("split-max-size", settings.splitMaxSize());
        all.add("unit-memory", settings.unitMemory());
        if (tokens != null) {
            all.addAll("calibration", settings.calibration());
            all.add("calibration.tokens", Digest.hex(tokens.digest()));
        }
        return all.build();
    }

    /**
     * What decides what types cost tensors; the size that they are chosen for is not of it.
     *
     * @param text on which effects are measured, or null
     * @param items which types of which tensors are looked at
     */
    static Fingerprint ofTypes(
            Storage storage, QuantizeSettings settings, Checkpoint checkpoint, TokenSequences text, String items)
            throws IOException {
        return source(storage, settings, checkpoint)
                .add(WorkFolders.STEP, "types")
                .add("text", text == null ? null : Digest.hex(text.digest()))
                .add("items", digest(items))
                .build();
    }

    private static String digest(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return Digest.hex(Digest.of(bytes, 0, bytes.length));
    }

    private static Fingerprint.Builder source(Storage storage, QuantizeSettings settings, Checkpoint checkpoint)
            throws IOException {
        Fingerprint.Builder all = new Fingerprint.Builder();
        all.add("code", Version.TOOL + " " + Version.number());
        all.add(WorkFolders.OUTPUT, absolute(settings.output()));
        all.add("model", absolute(settings.model()));
        int index = 0;
        for (FileStatus file : checkpoint.readFiles(storage)) {
            all.addAll("model." + index++, file);
        }
        all.add("imatrix", absolute(settings.imatrix()));
        if (settings.imatrix() != null) {
            all.addAll("imatrix.file", storage.status(settings.imatrix()));
        }
        all.addAll("importance", settings.importanceFilter());
        all.add("allow-nonfinite", settings.allowNonFinite());
        all.add("method", settings.method());
        return all;
    }

    private static String absolute(String file) {
        return file == null || !Names.scheme(file).isEmpty()
                ? file
                : Path.of(file).toAbsolutePath().normalize().toString();
    }
}
