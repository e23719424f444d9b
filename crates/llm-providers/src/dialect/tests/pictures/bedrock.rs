//! Pictures at Amazon Bedrock.

use llm_types::ErrorKind;
use serde_json::json;

use super::*;

const CANVAS: &str = "bedrock/amazon.nova-canvas-v1:0";
const TITAN: &str = "bedrock/amazon.titan-image-generator-v2:0";
const ULTRA: &str = "bedrock/stability.stable-image-ultra-v1:1";
const SD3: &str = "bedrock/stability.sd3-5-large-v1:0";

#[test]
fn every_member_lands_once_and_where_the_model_takes_it() {
    let all = json!({
        "n": 3, "size": "1280x720", "quality": "hd", "response_format": "b64_json",
        "seed": 7, "cfg_scale": 6.5, "negative_prompt": "fog", "controlMode": "CANNY_EDGE", "controlStrength": 0.3,
        "style": "PHOTOREALISM", "user": "u", "moderation": "low", "output_format": "png",
    });
    let sent = make(CANVAS, all).unwrap();
    assert_eq!(sent.path, "/model/amazon.nova-canvas-v1%3A0/invoke");
    assert_eq!(
        sent.body,
        json!({
            "taskType": "TEXT_IMAGE",
            "textToImageParams": {"text": "a lighthouse", "style": "PHOTOREALISM", "negativeText": "fog",
                "controlMode": "CANNY_EDGE", "controlStrength": 0.3},
            "imageGenerationConfig": {"numberOfImages": 3, "width": 1280, "height": 720, "quality": "premium",
                "seed": 7, "cfgScale": 6.5},
        })
    );
    for told in ["altered quality", "dropped user", "dropped moderation"] {
        assert!(sent.changes.contains(told), "{told}: {}", sent.changes);
    }
    assert_eq!(sent.memo.used().unwrap().units.images, 3);

    // The model's own form, in whole or in part.
    let own = json!({
        "imageGenerationConfig": {"seed": 3, "cfgScale": 2}, "textToImageParams": {"negativeText": "fog", "odd": 1},
        "taskType": "TEXT_IMAGE", "quality": "standard",
    });
    let sent = make(TITAN, own).unwrap();
    assert_eq!(
        sent.body,
        json!({
            "taskType": "TEXT_IMAGE",
            "textToImageParams": {"text": "a lighthouse", "negativeText": "fog"},
            "imageGenerationConfig": {"quality": "standard", "seed": 3, "cfgScale": 2},
        })
    );
    assert_eq!(sent.changes, "dropped textToImageParams.odd (the model on bedrock has no counterpart)");
    // What is paid for is said in OpenAI's words, and a task is one of the model's.
    let refused = |body| param(make(CANVAS, body)).unwrap();
    assert_eq!(refused(json!({"numberOfImages": 5})), "numberOfImages");
    assert_eq!(refused(json!({"imageGenerationConfig": {"width": 4096}})), "imageGenerationConfig.width");
    assert_eq!(refused(json!({"imageGenerationConfig": [1]})), "imageGenerationConfig");
    assert_eq!(refused(json!({"taskType": "VIRTUAL_TRY_ON"})), "taskType");
    let sent = make(TITAN, json!({"style": "vivid", "size": "16:9", "colors": ["#ff0000"]})).unwrap();
    assert_eq!(
        sent.body["colorGuidedGenerationParams"],
        json!({"text": "a lighthouse", "colors": ["#ff0000"]})
    );
    for told in ["dropped style", "dropped size"] {
        assert!(sent.changes.contains(told), "{told}: {}", sent.changes);
    }
}

#[test]
fn pictures_are_changed_by_the_task_that_fits() {
    let sent =
        edit(CANVAS, &[("prompt", "a boat"), ("image", "I"), ("mask", "M"), ("seed", "9"), ("n", "2")])
            .unwrap();
    assert_eq!(
        sent.body,
        json!({
            "taskType": "INPAINTING",
            "inPaintingParams": {"image": "SQ==", "maskImage": "TQ==", "text": "a boat"},
            "imageGenerationConfig": {"numberOfImages": 2, "seed": 9},
        })
    );
    assert!(sent.changes.contains("altered mask"), "{}", sent.changes);
    let sent = edit(CANVAS, &[("prompt", "a boat"), ("image", "I"), ("mask_prompt", "the sea")]).unwrap();
    assert_eq!(
        sent.body["inPaintingParams"],
        json!({"image": "SQ==", "text": "a boat", "maskPrompt": "the sea"})
    );
    let outer = [("prompt", "a bay"), ("image", "I"), ("mask", "M"), ("outPaintingMode", "PRECISE")];
    let sent = edit(TITAN, &outer).unwrap();
    assert_eq!(
        (&sent.body["taskType"], &sent.body["outPaintingParams"]["maskImage"]),
        (&json!("OUTPAINTING"), &json!("TQ=="))
    );
    let sent =
        edit(CANVAS, &[("prompt", "p"), ("image[]", "I"), ("image[]", "J"), ("similarityStrength", "0.8")])
            .unwrap();
    assert_eq!(
        sent.body["imageVariationParams"],
        json!({"images": ["SQ==", "Sg=="], "text": "p", "similarityStrength": 0.8})
    );
    let sent = edit(CANVAS, &[("prompt", "p"), ("image", "I"), ("taskType", "BACKGROUND_REMOVAL")]).unwrap();
    assert_eq!(
        sent.body,
        json!({"taskType": "BACKGROUND_REMOVAL", "backgroundRemovalParams": {"image": "SQ=="}})
    );
    assert!(sent.changes.contains("dropped prompt"), "{}", sent.changes);
    let varied = change(Op::ImageVariation, CANVAS, &[("image", "I"), ("size", "512x512")]).unwrap();
    assert_eq!(
        varied.body,
        json!({"taskType": "IMAGE_VARIATION", "imageVariationParams": {"images": ["SQ=="]},
            "imageGenerationConfig": {"width": 512, "height": 512}})
    );
    let both = edit(CANVAS, &[("prompt", "p"), ("image[]", "I"), ("image[]", "J"), ("mask", "M")]);
    assert_eq!(param(both).as_deref(), Some("image"));
    let lost =
        edit(CANVAS, &[("prompt", "p"), ("image", "I"), ("mask", "M"), ("taskType", "IMAGE_VARIATION")]);
    assert_eq!(param(lost).as_deref(), Some("mask"));
}

#[test]
fn stability_there_has_words_of_its_own() {
    let asked = json!({"size": "1792x1024", "output_format": "jpeg", "seed": 7, "negative_prompt": "fog", "quality": "hd", "input_fidelity": "high"});
    let sent = make(ULTRA, asked).unwrap();
    assert_eq!(
        sent.body,
        json!({"prompt": "a lighthouse", "aspect_ratio": "16:9", "output_format": "jpeg", "seed": 7, "negative_prompt": "fog"})
    );
    for told in ["altered size", "dropped quality", "dropped input_fidelity"] {
        assert!(sent.changes.contains(told), "{told}: {}", sent.changes);
    }
    assert_eq!(param(make(ULTRA, json!({"n": 2}))).as_deref(), Some("n"));

    let sent = edit(SD3, &[("prompt", "a boat"), ("image", "I"), ("size", "1024x1024")]).unwrap();
    assert_eq!(
        sent.body,
        json!({"prompt": "a boat", "image": "SQ==", "mode": "image-to-image", "strength": 0.7})
    );
    for told in ["altered strength", "dropped size"] {
        assert!(sent.changes.contains(told), "{told}: {}", sent.changes);
    }
    let sent = edit(SD3, &[("prompt", "a boat"), ("image", "I"), ("strength", "0.2")]).unwrap();
    assert_eq!((&sent.body["strength"], &*sent.changes), (&json!(0.2), ""));
    assert_eq!(param(edit(SD3, &[("prompt", "p"), ("image", "I"), ("mask", "M")])).as_deref(), Some("mask"));

    let inpaint = "bedrock/us.stability.stable-image-inpaint-v1:0";
    let sent =
        edit(inpaint, &[("prompt", "a boat"), ("image", "I"), ("mask", "M"), ("grow_mask", "5")]).unwrap();
    assert_eq!(sent.body, json!({"prompt": "a boat", "image": "SQ==", "mask": "TQ==", "grow_mask": 5}));
    let erase = "bedrock/stability.stable-image-erase-object-v1:0";
    let sent = edit(erase, &[("prompt", "a boat"), ("image", "I"), ("mask", "M")]).unwrap();
    assert_eq!(sent.body, json!({"image": "SQ==", "mask": "TQ=="}));
    assert!(sent.changes.contains("dropped prompt"), "{}", sent.changes);
    let transfer = "bedrock/us.stability.stable-style-transfer-v1:0";
    let sent = edit(transfer, &[("prompt", "p"), ("image[]", "I"), ("image[]", "J")]).unwrap();
    assert_eq!(sent.body, json!({"prompt": "p", "init_image": "SQ==", "style_image": "Sg=="}));
    assert_eq!(param(make(inpaint, json!({}))).as_deref(), Some("image"));

    let first = "bedrock/stability.stable-diffusion-xl-v1";
    let sent = make(first, json!({"size": "1024x768", "negative_prompt": "fog", "steps": 40})).unwrap();
    assert_eq!(
        sent.body,
        json!({"text_prompts": [{"text": "a lighthouse", "weight": 1.0}, {"text": "fog", "weight": -1.0}],
            "width": 1024, "height": 768, "steps": 40})
    );
    let made =
        json!({"result": "success", "artifacts": [{"seed": 1, "base64": "YQ==", "finishReason": "SUCCESS"}]});
    assert_eq!(shown(&read(first, &sent, &made).unwrap()), ["YQ=="]);
    let held = json!({"result": "success", "artifacts": [{"seed": 1, "base64": "", "finishReason": "CONTENT_FILTERED"}]});
    assert_eq!(read(first, &sent, &held).unwrap_err().kind, ErrorKind::ContentPolicy);
}

#[test]
fn answers_are_counted_and_what_is_held_back_is_told() {
    let sent = make(CANVAS, json!({"n": 3})).unwrap();
    let made = read(
        CANVAS,
        &sent,
        &json!({"images": ["YQ==", "Yg=="], "error": "one was blocked by our content filters"}),
    )
    .unwrap();
    assert_eq!((shown(&made), made.usage.as_ref().unwrap().units.images), (vec!["YQ==", "Yg=="], 2));
    let kind = |model: &str, body: Value| read(model, &sent, &body).unwrap_err().kind;
    let blocked = json!({"images": [], "error": "All of the generated images have been blocked by our content filters"});
    assert_eq!(kind(CANVAS, blocked), ErrorKind::ContentPolicy);
    assert_eq!(kind(CANVAS, json!({"error": "the service is down"})), ErrorKind::UpstreamFormat);
    let filtered = json!({"seeds": [1], "finish_reasons": ["Filter reason: prompt"], "images": []});
    assert_eq!(kind(ULTRA, filtered), ErrorKind::ContentPolicy);
    let failed = json!({"seeds": [1], "finish_reasons": ["Inference error"], "images": []});
    assert_eq!(kind(ULTRA, failed), ErrorKind::UpstreamFormat);
    let fine = json!({"seeds": [1], "finish_reasons": [null], "images": ["YQ=="]});
    assert_eq!(shown(&read(ULTRA, &sent, &fine).unwrap()), ["YQ=="]);
}
