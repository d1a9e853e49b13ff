package io.sparkgguf.job;

import io.sparkgguf.job.work.Fingerprint;
import io.sparkgguf.job.work.WorkFolders;
import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.Names;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.Storage.FileStatus;
import java.io.IOException;
import java.nio.file.Path;

/** What decides the bytes that a run of quantize makes, and how the work is cut. */
final class QuantizeFingerprint {
    private QuantizeFingerprint() {}

    /** @param tokens that the run calibrates on, or null */
    static Fingerprint of(Storage storage, QuantizeSettings settings, Checkpoint checkpoint, CalibrationTokens tokens)
            throws IOException {
        Fingerprint.Builder all = new Fingerprint.Builder();
        all.add("code", Version.TOOL + " " + Version.number());
        all.add(WorkFolders.OUTPUT, absolute(settings.output()));
        all.add("model", absolute(settings.model()));
        int index = 0;
        for (FileStatus file : checkpoint.readFiles(storage)) {
            all.addAll("model." + index++, file);
        }
        all.addAll("types", settings.types());
        all.add("imatrix", absolute(settings.imatrix()));
        if (settings.imatrix() != null) {
            all.addAll("imatrix.file", storage.status(settings.imatrix()));
        }
        all.addAll("importance", settings.importanceFilter());
        all.add("override-kv", settings.overrides());
        all.add("pre-tokenizer", settings.preTokenizer());
        all.add("keep-split", settings.keepSplit());
        all.add("split-max-size", settings.splitMaxSize());
        all.add("unit-memory", settings.unitMemory());
        all.add("allow-nonfinite", settings.allowNonFinite());
        all.add("method", settings.method());
        if (tokens != null) {
            all.addAll("calibration", settings.calibration());
            all.add("calibration.tokens", Digest.hex(tokens.digest()));
        }
        return all.build();
    }

    private static String absolute(String file) {
        return file == null || !Names.scheme(file).isEmpty()
                ? file
                : Path.of(file).toAbsolutePath().normalize().toString();
    }
}
